//! Figures as a person writes them.

use crate::components::Tone;
use fleet_types::grouped;

/// A count as a person writes it.
pub fn whole(value: f64) -> String {
    grouped(value.round() as i64)
}

/// `3.2 h`, `12 min`, `9 d`.
pub fn hours_text(hours: f64) -> String {
    match hours {
        h if h < 1.0 => format!("{:.0} min", h * 60.0),
        h if h < 72.0 => format!("{h:.1} h"),
        h if h < 8_760.0 => format!("{:.0} d", h / 24.0),
        _ => String::from("over a year"),
    }
}

/// Less than an hour of cover is too little to react in.
pub fn cover_tone(hours: Option<f64>) -> Tone {
    match hours {
        Some(hours) if hours < 1.0 => Tone::Warning,
        _ => Tone::Neutral,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cover_is_written_in_the_fitting_unit() {
        assert_eq!(hours_text(0.2), "12 min");
        assert_eq!(hours_text(3.25), "3.2 h");
        assert_eq!(hours_text(240.0), "10 d");
        assert_eq!(hours_text(100_000.0), "over a year");
    }
}
