//! Which variables take part, of what kind, and what happens when others write to them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use candle_core::{DType, Device, Module as _, ModuleT as _, Tensor, Var};
use candle_nn::{Optimizer as _, VarBuilder, VarMap, batch_norm, linear};
use lopt_candle::{Error, LearnedOptimizer, LearnedOptimizerConfig, ParameterGroup};
use model::{Mlp, batch, bits, set, values};

fn hierarchical() -> lopt_core::Weights {
    lopt_core::Weights::embedded("hierarchical-rnn").unwrap()
}

fn config() -> LearnedOptimizerConfig {
    LearnedOptimizerConfig::new()
}

fn named(vars: &[(&str, &Var)]) -> Vec<(String, Var)> {
    vars.iter().map(|&(name, var)| (name.to_owned(), var.clone())).collect()
}

#[test]
fn tied_variables_are_one_tensor() {
    let ones = || Var::ones((2, 3), DType::F32, &Device::Cpu).unwrap();
    let (tied, alone) = (ones(), ones());
    let list = named(&[("embed", &tied), ("head", &tied)]);
    let mut both = LearnedOptimizer::new(list, config()).unwrap();
    let list = named(&[("embed", &alone)]);
    let mut one = LearnedOptimizer::new(list, config()).unwrap();
    for _ in 0..10 {
        both.minimize(|| tied.sqr()?.sum_all()).unwrap();
        one.minimize(|| alone.sqr()?.sum_all()).unwrap();
    }
    assert_eq!(both.effective_step().len(), 1);
    assert_eq!(values(&tied), values(&alone));
    assert_ne!(values(&tied)[0], 1.0);
}

#[test]
fn variables_without_elements_are_left_out_and_names_are_unique() {
    let var = |n: usize| Var::ones(n, DType::F32, &Device::Cpu).unwrap();
    let (empty, full) = (var(0), var(3));
    let list = named(&[("none", &empty), ("full", &full)]);
    let mut optimizer = LearnedOptimizer::new(list, config()).unwrap();
    for _ in 0..10 {
        optimizer.minimize(|| full.sqr()?.sum_all()).unwrap();
    }
    assert_eq!(optimizer.effective_step().len(), 1);
    assert!(values(&full)[0] < 1.0);
    let list = named(&[("w", &var(1)), ("w", &var(2))]);
    let error = LearnedOptimizer::new(list, config()).unwrap_err();
    assert_eq!(error.to_string(), "expected tensors of different names, but two are called `w`");
}

#[test]
fn variables_that_a_loss_does_not_use_keep_value_and_state() {
    let var = |x: f32| Var::new(&[x, -x], &Device::Cpu).unwrap();
    let (used, now_and_then, never) = (var(1.0), var(2.0), var(3.0));
    let list = named(&[("used", &used), ("now and then", &now_and_then), ("never", &never)]);
    let mut optimizer = LearnedOptimizer::new(list, config().with_weight_decay(1e-3)).unwrap();
    for step in 0..20 {
        let before = values(&now_and_then);
        optimizer
            .minimize(|| {
                let loss = used.sqr()?.sum_all()?;
                if step % 2 == 0 { loss + now_and_then.sqr()?.sum_all()? } else { Ok(loss) }
            })
            .unwrap();
        assert_eq!(step % 2 == 0, values(&now_and_then) != before, "step {step}");
    }
    assert_eq!(values(&never), [3.0, -3.0]);
    let error = optimizer.minimize(|| var(1.0).sqr()?.sum_all()).unwrap_err();
    assert!(matches!(error, Error::NoGradient { count: 3 }), "{error}");
    assert_eq!(optimizer.core().steps(), 20);
}

#[test]
fn frozen_groups_and_variables_not_listed_stay() {
    let mlp = Mlp::new(DType::F32);
    let first = mlp.named().iter().map(|(_, var)| values(var)).collect::<Vec<_>>();
    let frozen = config().with_group(ParameterGroup::new("hidden.*").frozen());
    let named = mlp.named().into_iter();
    let list: Vec<_> = named.filter(|(name, _)| name != "out.bias").collect();
    let mut optimizer = LearnedOptimizer::new(list, frozen).unwrap();
    for step in 0..10 {
        optimizer.minimize(|| mlp.loss(&batch(16, step, DType::F32))).unwrap();
    }
    for ((name, var), first) in mlp.named().iter().zip(&first) {
        assert_eq!(name != "out.weight", values(var) == *first, "{name}");
    }
    let none = config().with_group(ParameterGroup::new("head.*").frozen());
    let error = LearnedOptimizer::new(&mlp.map, none).unwrap_err().to_string();
    assert!(error.starts_with("no tensor matches the group `head.*`"), "{error}");
}

#[test]
fn any_rank_and_any_stride() {
    let scalar = Var::new(2.0_f32, &Device::Cpu).unwrap();
    let matrix = Var::new(&[[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
    let deep = Var::ones((1, 2, 1, 3, 2), DType::F32, &Device::Cpu).unwrap();
    let integers = Var::zeros(4, DType::U32, &Device::Cpu).unwrap();
    let list = vec![scalar.clone(), integers, matrix.clone(), deep.clone()];
    let mut optimizer =
        LearnedOptimizer::new(list, config().with_weights(hierarchical()).with_averaging(None))
            .unwrap();
    let names: Vec<&str> = optimizer.effective_step().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["var.0", "var.2", "var.3"]);
    // candle adds gradients up in contiguous tensors; others may come from elsewhere
    let weights = Tensor::new(&[[0.0_f32, 0.0], [0.0, 0.0], [1.0, 1.0]], &Device::Cpu).unwrap();
    let first = values(&matrix);
    let loss = || {
        let rows = (matrix.t()? * &weights)?.sum_all()?;
        (rows + scalar.sqr()?)? + deep.permute((4, 0, 3, 1, 2))?.sqr()?.sum_all()?
    };
    let mut store = loss().unwrap().backward().unwrap();
    store.insert(&matrix, weights.t().unwrap());
    assert!(!store.get(&matrix).unwrap().is_contiguous());
    optimizer.step(&store).unwrap();
    optimizer.eval().unwrap();
    let moved: Vec<bool> =
        values(&matrix).iter().zip(first).map(|(a, b)| (a - b).abs() > 1e-4).collect();
    assert_eq!((moved[2], moved[5]), (true, true), "{moved:?}");
    assert_ne!(values(&scalar), [2.0]);
    assert!(values(&deep).iter().all(|x| *x < 1.0));
}

#[test]
fn short_floats_are_rounded_from_full_precision() {
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        let mlp = Mlp::new(dtype);
        let data = batch(64, 0, dtype);
        let mut optimizer = LearnedOptimizer::new(&mlp.map, config()).unwrap();
        let first = optimizer.minimize(|| mlp.loss(&data)).unwrap();
        let mut last = first;
        for _ in 0..150 {
            last = optimizer.minimize(|| mlp.loss(&data)).unwrap();
        }
        assert!(last < 0.2 * first, "{dtype:?}: from {first} to {last}");
        let all = Tensor::from_slice(optimizer.parameters(), mlp.values().len(), &Device::Cpu);
        let rounded = values(&all.unwrap().to_dtype(dtype).unwrap());
        assert_eq!(bits(&mlp.values()), bits(&rounded), "{dtype:?}");
        assert_eq!(dtype == DType::F64, mlp.values() == optimizer.parameters());
    }
}

#[test]
fn doubles_that_do_not_move_keep_all_their_digits() {
    let (frozen, free) = (1.0_f64 / 3.0, 2.0_f64 / 3.0);
    let (frozen, free) = [frozen, free].map(|x| Var::new(&[x], &Device::Cpu).unwrap()).into();
    let list = named(&[("a", &frozen), ("b", &free)]);
    let group = ParameterGroup::new("a").frozen();
    let mut optimizer = LearnedOptimizer::new(list, config().with_group(group)).unwrap();
    optimizer.minimize(|| (frozen.as_tensor() * free.as_tensor())?.sqr()?.sum_all()).unwrap();
    assert_eq!(frozen.to_vec1::<f64>().unwrap(), [1.0 / 3.0]);
}

#[test]
fn changes_from_outside_are_noticed() {
    let mlp = Mlp::new(DType::F32);
    let mut optimizer = LearnedOptimizer::new(&mlp.map, config()).unwrap();
    // before the first step they are welcome: pretrained weights, say
    set(&mlp.var("out.bias"), vec![0.25]);
    optimizer.minimize(|| mlp.loss(&batch(16, 0, DType::F32))).unwrap();
    assert!((mlp.values()[48] - 0.25).abs() < 0.1, "{}", mlp.values()[48]);

    let before = optimizer.parameters().to_vec();
    set(&mlp.var("out.bias"), vec![7.0]);
    let error = optimizer.minimize(|| mlp.loss(&batch(16, 1, DType::F32))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "variable `out.bias` was changed from outside after training had begun: \
         call `sync()` after such a change, to start from the new values"
    );
    assert_eq!((optimizer.parameters(), optimizer.core().steps()), (&before[..], 1));
    optimizer.sync().unwrap();
    assert_eq!((optimizer.parameters()[48], optimizer.core().steps()), (7.0, 0));
    optimizer.minimize(|| mlp.loss(&batch(16, 1, DType::F32))).unwrap();
    assert_ne!(mlp.values()[48], 7.0);
}

#[test]
fn running_statistics_belong_to_their_layer() {
    let map = VarMap::new();
    let builder = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let layer = linear(5, 4, builder.pp("layer")).unwrap();
    let norm = batch_norm(4, 1e-5, builder.pp("norm")).unwrap();
    let mut optimizer = LearnedOptimizer::new(&map, config()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let loss = |step: u64| {
        let (x, y) = batch(16, step, DType::F32);
        let out = norm.forward_t(&layer.forward(&x)?, true)?;
        out.broadcast_sub(&y)?.sqr()?.mean_all()
    };
    for step in 0..5 {
        let mut of_closure = Vec::new();
        let loss_and_statistics = || {
            let loss = loss(step)?;
            of_closure = values(norm.running_mean());
            Ok(loss)
        };
        optimizer.minimize(loss_and_statistics).unwrap();
        assert_eq!(values(norm.running_mean()), of_closure);
        optimizer.train().unwrap();
        assert_eq!(values(norm.running_mean()), of_closure);
        optimizer.backward_step(&loss(step + 100).unwrap()).unwrap();
        let of_step = values(norm.running_mean());
        assert_ne!(of_step, of_closure);
        optimizer.eval().unwrap();
        assert_eq!(values(norm.running_mean()), of_step);
    }
    optimizer.save(file.path()).unwrap();
    let (saved, first) = (values(norm.running_mean()), vec![0.0; 4]);
    set(&Var::from_tensor(norm.running_mean()).unwrap(), first);
    optimizer.load(file.path()).unwrap();
    assert_eq!(values(norm.running_mean()), saved);
    optimizer.train().unwrap();
    assert_eq!(values(norm.running_mean()), saved);
    optimizer.backward_step(&loss(7).unwrap()).unwrap();
    assert_ne!(values(norm.running_mean()), saved);
}

/// Trains a layer before batch normalisation on inputs from -255 to 255. `other`: what is in a variable that
/// no loss depends on, which is then listed with the running statistics; they may be frozen.
fn with_others(config: &LearnedOptimizerConfig, other: Option<f32>, frozen: bool) -> Vec<u32> {
    let map = VarMap::new();
    let builder = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let layer = linear(5, 4, builder.pp("layer")).unwrap();
    let norm = batch_norm(4, 1e-5, builder.pp("norm")).unwrap();
    let mut list: Vec<(String, Var)> =
        map.data().lock().unwrap().iter().map(|(n, var)| (n.clone(), var.clone())).collect();
    list.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (_, var) in list.iter().filter(|(name, _)| name.starts_with("layer")) {
        set(var, (0..var.elem_count()).map(|i| (0.7 * i as f32).sin()).collect());
    }
    let mut config = config.clone();
    match other {
        None => list.retain(|(name, _)| !name.contains("running")),
        Some(other) => {
            list.insert(0, ("a mask".to_owned(), Var::new(&[other; 3], &Device::Cpu).unwrap()));
            if frozen {
                config = config
                    .with_group(ParameterGroup::new("a mask").frozen())
                    .with_group(ParameterGroup::new("*.running_*").frozen());
            }
        }
    }
    let mut optimizer = LearnedOptimizer::new(list, config).unwrap();
    let not_trained = if other.is_none() || frozen { 0 } else { 3 };
    for step in 0..40 {
        let (x, y) = batch(16, step, DType::F32);
        let loss = || {
            let x = (&x * 255.0)?;
            let out = norm.forward_t(&layer.forward(&x)?, true)?;
            out.broadcast_sub(&y)?.sqr()?.mean_all()
        };
        if step % 2 == 0 {
            optimizer.minimize(loss).unwrap();
        } else {
            optimizer.train().unwrap();
            optimizer.step(&loss().unwrap().backward().unwrap()).unwrap();
            optimizer.eval().unwrap();
        }
        assert_eq!(optimizer.core().without_gradient().len(), not_trained);
    }
    assert!(!optimizer.has_fallen_back());
    assert!(values(norm.running_var()).iter().any(|&x| x > 1000.0));
    bits(&values(layer.weight()))
}

#[test]
fn running_statistics_and_masks_among_the_variables_change_no_bit() {
    for config in [config(), config().with_weights(hierarchical())] {
        let without = with_others(&config, None, false);
        for other in [f32::NEG_INFINITY, f32::NAN] {
            for frozen in [false, true] {
                let with = with_others(&config, Some(other), frozen);
                assert_eq!(with, without, "{other}, frozen: {frozen}");
            }
        }
    }
}

#[test]
fn a_variable_that_is_set_by_hand_before_its_first_gradient_starts_from_there() {
    for config in [config(), config().with_weights(hierarchical())] {
        let run = |by_hand: bool| {
            let w = Var::new(&[[2.0_f32, -2.0, 0.5, 3.0]; 4], &Device::Cpu).unwrap();
            let ema = Var::zeros(4, DType::F32, &Device::Cpu).unwrap();
            let list = named(&[("w", &w), ("ema", &ema)]);
            let mut optimizer = LearnedOptimizer::new(list, config.clone()).unwrap();
            for step in 0..20 {
                optimizer.minimize(|| (w.as_tensor() - 1.0)?.sqr()?.sum_all()).unwrap();
                let value = 0.125 * step as f32;
                set(&ema, if by_hand { vec![value; 4] } else { vec![2.375; 4] });
            }
            let before = values(&w);
            let mut seen = Vec::new();
            let both = || {
                seen = values(&ema);
                let of_w = (w.as_tensor() - 1.0)?.sqr()?.sum_all()?;
                &of_w + (ema.as_tensor() - 1.0)?.sqr()?.sum_all()?
            };
            optimizer.minimize(both).unwrap();
            assert_eq!(seen, [2.375; 4]);
            assert_eq!(optimizer.core().own_steps(), [21, 1]);
            assert!(values(&ema).iter().all(|&x| x < 2.375 && x > 1.0), "{:?}", values(&ema));
            assert_ne!(values(&w), before);
            let after = [bits(&values(&w)), bits(&values(&ema))];
            // from now on it is the optimizer's
            set(&ema, vec![7.0; 4]);
            let error = optimizer.minimize(|| ema.sqr()?.sum_all()).unwrap_err();
            assert!(matches!(&error, Error::Changed { name } if name == "ema"), "{error}");
            after
        };
        assert_eq!(run(true), run(false));
    }
}

#[test]
fn lists_that_make_no_model_are_refused() {
    let error = LearnedOptimizer::new(Vec::<Var>::new(), config()).unwrap_err().to_string();
    assert!(
        error.starts_with("expected at least one variable with floating-point values, got none"),
        "{error}"
    );
    let empty = Var::zeros((3, 0), DType::F32, &Device::Cpu).unwrap();
    let error = LearnedOptimizer::new(named(&[("w", &empty)]), config()).unwrap_err();
    assert!(matches!(error, Error::NoVariables), "{error}");
    let var = Var::ones(3, DType::F32, &Device::Cpu).unwrap();
    let mut optimizer = LearnedOptimizer::new(vec![var.clone()], config()).unwrap();
    let mut store = var.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    store.insert(&var, Tensor::ones((3, 1), DType::F32, &Device::Cpu).unwrap());
    let error = optimizer.step(&store).unwrap_err().to_string();
    assert!(error.starts_with("the gradient of `var.0` has shape [3, 1], expected [3]"), "{error}");
}
