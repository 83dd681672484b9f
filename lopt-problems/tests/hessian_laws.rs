//! Laws of Hessian-vector products on every listed problem: symmetric and linear.

mod support;

use support::{Draw, all_entries, direction, dot, norm};

#[test]
fn hessians_are_symmetric_and_linear() {
    let mut wrong = Vec::new();
    let entries = all_entries().into_iter().filter(|entry| entry.problem.layout().len() <= 300);
    for entry in entries {
        let draw = Draw::new(&entry.problem, 21);
        let product = |v: &[f64]| draw.hessian_product(&draw.params, v).1;
        let (u, v) = (direction(&draw.params, 22), direction(&draw.params, 23));
        let (hu, hv) = (product(&u), product(&v));
        let scale = norm(&hu) * norm(&v) + norm(&hv) * norm(&u) + 1e-12;
        let asymmetry = (dot(&hu, &v) - dot(&hv, &u)).abs() / scale;
        let mixed: Vec<f64> = u.iter().zip(&v).map(|(u, v)| 2.0 * u - 3.0 * v).collect();
        let gap: Vec<f64> = product(&mixed)
            .iter()
            .zip(hu.iter().zip(&hv))
            .map(|(mixed, (hu, hv))| mixed - (2.0 * hu - 3.0 * hv))
            .collect();
        let nonlinearity = norm(&gap) / (norm(&hu) + norm(&hv) + 1e-12);
        // a NaN is wrong, too
        if !(asymmetry < 1e-9 && nonlinearity < 1e-9) {
            let name = entry.problem.name();
            wrong.push(format!("{name}: asymmetry {asymmetry:e}, nonlinearity {nonlinearity:e}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
