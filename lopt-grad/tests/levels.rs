//! Which levels agree bit for bit. One test, because the level belongs to the process.

mod cases;

use cases::{Case, distinct};
use lopt_grad::{
    F32x16, Level, Operation, Real, ScalarFn, Tape, Var, fix_level, gradient,
    hessian_vector_product,
};

#[test]
fn levels_agree_bit_for_bit() {
    large_products_agree_at_every_fixed_level();
    avx2_and_avx512_agree();
}

/// The square of a product that is large enough for `faer`.
struct Product;

impl ScalarFn for Product {
    fn eval<'t, R: Real>(&self, _: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
        x[0].matmul(x[1]).square().sum()
    }
}

fn large_products_agree_at_every_fixed_level() {
    let x: Vec<f32> = distinct(48 * 40 + 40 * 24, 3).into_iter().map(|x| x as f32).collect();
    let of_level = |level| {
        fix_level(level);
        assert!(Level::is_fixed());
        let (value, slopes) = gradient(&Product, &[&[48, 40], &[40, 24]], &x);
        slopes.into_iter().chain([value]).map(f32::to_bits).collect::<Vec<_>>()
    };
    let portable = of_level(Level::Portable);
    for level in Level::ALL.into_iter().filter(|level| level.available()) {
        assert!(of_level(level) == portable, "{level:?}");
    }
}

fn avx2_and_avx512_agree() {
    if !Level::Avx512.available() {
        return;
    }
    for &operation in Operation::ALL {
        for variant in 0..8 {
            let case = Case { operation, sizes: [4, 3, 4, 3], variant };
            let shapes = case.shapes();
            let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            let pack = |seed: u64| -> Vec<F32x16> {
                let x = distinct(case.elements(), seed);
                x.iter().map(|x| F32x16(core::array::from_fn(|l| *x as f32 + l as f32))).collect()
            };
            let (x, v) = (pack(1), pack(2));
            let [a, b] = [Level::Avx2, Level::Avx512].map(|level| {
                fix_level(level);
                assert_eq!(Level::current(), level);
                hessian_vector_product(&case, &shapes, &x, &v)
            });
            let bits = |x: &[F32x16]| -> Vec<u32> {
                x.iter().flat_map(|x| x.0).map(f32::to_bits).collect()
            };
            assert_eq!(bits(&[a.0]), bits(&[b.0]), "value of {case:?}");
            assert_eq!(bits(&a.1), bits(&b.1), "gradient of {case:?}");
            assert_eq!(bits(&a.2), bits(&b.2), "product of {case:?}");
        }
    }
}
