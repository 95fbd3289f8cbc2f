//! Sizes and durations, written for people and read from them.

/// `1536` → `1.5 KiB`. Exact below 1 KiB, else at most one decimal.
pub fn bytes(n: i64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value.abs() >= 1023.95 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    let number =
        if unit == 0 || (value - value.round()).abs() < 0.05 { format!("{value:.0}") } else { format!("{value:.1}") };
    format!("{number} {}", UNITS[unit])
}

/// `512 MiB`, `1.5GB`, `1048576` → bytes. `unlimited`, `none` and the empty text → `None`.
/// Decimal and binary prefixes both mean powers of 1024, as Neon's own limits do.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_bytes(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim().to_ascii_lowercase();
    if matches!(text.as_str(), "" | "unlimited" | "none" | "∞") {
        return Ok(None);
    }
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let wrong = || String::from("Write a size such as 512 MiB or 10 GiB, or “unlimited”.");
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit.trim() {
        "" | "b" | "bytes" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tb" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number * factor;
    if bytes < 1.0 {
        return Err(String::from("A quota must be at least 1 byte. For no limit write “unlimited”."));
    }
    if bytes > 1e18 {
        return Err(String::from("That is more than Neon can hold. For no limit write “unlimited”."));
    }
    Ok(Some(bytes as i64))
}

/// `5400` → `1 h 30 min`: the two largest units.
pub fn duration(seconds: i64) -> String {
    let (s, sign) = (seconds.abs(), if seconds < 0 { "-" } else { "" });
    let parts = [(s / 86_400, "d"), (s % 86_400 / 3_600, "h"), (s % 3_600 / 60, "min"), (s % 60, "s")];
    let Some(first) = parts.iter().position(|(n, _)| *n > 0) else { return String::from("0 s") };
    let text: Vec<String> =
        parts[first..].iter().take(2).filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    format!("{sign}{}", text.join(" "))
}

/// `1234567` → `1,234,567`.
pub fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if n < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(536_870_912), "512 MiB");
        assert_eq!(bytes(1_073_741_823), "1 GiB");
    }

    #[test]
    fn sizes_are_read_as_written() {
        assert_eq!(parse_bytes("512 MiB"), Ok(Some(536_870_912)));
        assert_eq!(parse_bytes("1.5GB"), Ok(Some(1_610_612_736)));
        assert_eq!(parse_bytes(" unlimited "), Ok(None));
        assert!(parse_bytes("0").is_err());
        assert!(parse_bytes("ten").is_err());
        assert!(parse_bytes("-5 MiB").is_err());
        assert!(parse_bytes("99999999999999 TiB").is_err());
    }

    #[test]
    fn durations_show_two_units() {
        assert_eq!(duration(0), "0 s");
        assert_eq!(duration(5_400), "1 h 30 min");
        assert_eq!(duration(90_061), "1 d 1 h");
        assert_eq!(duration(3_605), "1 h");
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-1_000), "-1,000");
    }
}
