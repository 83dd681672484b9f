//! Numbers as text, one rule for table, page and progress.

/// A loss with four digits: `2.303`, `0.01234`, `4.1e-7`; `diverged` if it is not finite.
pub fn loss_text(loss: f64) -> String {
    if !loss.is_finite() {
        return "diverged".to_owned();
    }
    let magnitude = loss.abs();
    if magnitude == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&magnitude) {
        format!("{loss:.2e}")
    } else {
        let before_point = magnitude.log10().floor() as i32;
        let decimals = usize::try_from(3 - before_point).unwrap_or(0);
        format!("{loss:.decimals$}")
    }
}

/// The loss at the end of a run, `None` if it diverged.
pub fn end_text(loss: Option<f64>) -> String {
    loss_text(loss.unwrap_or(f64::NAN))
}

/// A learning rate with two digits: `1e-3`, `3.2e-4`, `1`.
pub fn rate_text(rate: f64) -> String {
    let text = format!("{rate:.1e}").replace(".0e", "e");
    text.strip_suffix("e0").map(str::to_owned).unwrap_or(text)
}

/// The learning rate that a text says.
///
/// # Errors
///
/// If it says none: a sentence's end.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
    rate.ok_or_else(|| "expected a positive number".to_owned())
}

/// Seconds with about three digits: `0.0123`, `1.23`, `123`.
pub fn seconds_text(seconds: f64) -> String {
    let decimals = match seconds {
        s if s < 0.1 => 4,
        s if s < 10.0 => 2,
        s if s < 100.0 => 1,
        _ => 0,
    };
    format!("{seconds:.decimals$}")
}

/// A fraction as percent: `97.31 %`.
pub fn percent_text(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// A rough count: `950`, `412k`, `1.3M`.
pub fn short_count_text(count: f64) -> String {
    if count >= 1e6 {
        format!("{:.1}M", count / 1e6)
    } else if count >= 1e3 {
        format!("{:.0}k", count / 1e3)
    } else {
        format!("{count:.0}")
    }
}

/// A count with thin groups of three: `25 450`.
pub fn count_text(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses() {
        let shown = [2.345_67, 0.012_345, 0.5, 123.456, 4.1e-7, 0.0, 1.5e9].map(loss_text);
        assert_eq!(shown, ["2.346", "0.01235", "0.5000", "123.5", "4.10e-7", "0", "1.50e9"]);
        assert_eq!(loss_text(f64::NAN), "diverged");
    }

    #[test]
    fn rates_and_counts() {
        assert_eq!([1e-3, 10_f64.powf(-3.5), 1.0].map(rate_text), ["1e-3", "3.2e-4", "1"]);
        assert_eq!([7, 1234, 1_234_567].map(count_text), ["7", "1 234", "1 234 567"]);
        assert_eq!(
            [0.012_34, 1.234, 12.34, 123.4].map(seconds_text),
            ["0.0123", "1.23", "12.3", "123"]
        );
        assert_eq!(percent_text(0.973_12), "97.31 %");
        assert_eq!([12.0, 4e5, 1.34e6].map(short_count_text), ["12", "400k", "1.3M"]);
    }
}
