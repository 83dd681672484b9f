use lopt_grad::*;
struct F;
impl ScalarFn for F {
    fn eval<'t, R: Real>(&self, t: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
        let (w, b, f) = (x[0], x[1], x[2]);
        let a = t.constant_from(&[5, 4], |i| R::from_f64((i as f64 * 1.7).sin()));
        let h = (a.matmul(w) + b).tanh();
        let ls = (h * 3.0).log_softmax().mean_axis(1).sum();
        let im = h.reshape(&[1, 5, 3, 1]).conv2d(f);
        let p = im.avg_pool2d(2).softplus().sum() + im.max_pool2d(2).sum();
        let g = w.t().matmul(w) + t.constant_from(&[3, 3], |i| R::from_f64(if i % 4 == 0 { 1.0 } else { 0.0 }));
        let s = g.solve_spd(w.t());
        let c = Var::concat(&[w, w.slice(0, 1, 2), w.gather_rows(&[0, 0, 3])], 0).powi(3).dot(Var::concat(&[w.exp(), w.slice(0,0,2), w.slice(0, 1, 3)], 0));
        ls + p + s.square().sum() + c + (1.0 / (h + 3.0)).max() - h.min() + w.sum_axis(0).maximum(b).sum()
    }
}
#[test]
fn smoke() {
    let shapes: &[&[usize]] = &[&[4, 3], &[3], &[3, 2, 1, 2]];
    let x: Vec<f64> = (0..27).map(|i| (i as f64 * 0.731).cos()).collect();
    let v: Vec<f64> = (0..27).map(|i| (i as f64 * 0.31).cos()).collect();
    let e = check::gradient_error(&F, shapes, &x, 1e-5);
    let h = check::hessian_vector_error(&F, shapes, &x, &v, 1e-5);
    println!("{e} {h}");
    assert!(e < 1e-7 && h < 1e-7);
    let x32: Vec<f32> = x.iter().map(|x| *x as f32).collect();
    let (f64v, g64, h64) = hessian_vector_product(&F, shapes, &x, &v);
    let xl: Vec<F32x16> = x.iter().map(|x| F32x16::splat(*x as f32)).collect();
    let vl: Vec<F32x16> = v.iter().map(|x| F32x16::splat(*x as f32)).collect();
    let (f32v, g32) = gradient(&F, shapes, &x32);
    println!("{f64v} {f32v}");
    for level in Level::all() {
        force_level(level);
        let (fl, gl, hl) = hessian_vector_product(&F, shapes, &xl, &vl);
        println!("{fl:?}");
        for i in 0..27 {
            assert!((g64[i] - g32[i] as f64).abs() < 1e-4 * (1.0 + g64[i].abs()));
            assert!((g64[i] - gl[i].lane(3)).abs() < 1e-4 * (1.0 + g64[i].abs()));
            assert!((h64[i] - hl[i].lane(7)).abs() < 2e-4 * (1.0 + h64[i].abs()), "{} {}", h64[i], hl[i].lane(7));
        }
    }
}
