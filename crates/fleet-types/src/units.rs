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

/// Units that sizes are read in: those of powers of 1024, those of powers of 1000, and plain bytes.
const SIZE_UNITS: [(&str, i64); 10] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("bytes", 1),
    ("b", 1),
];

/// `512 MiB`, `1.5GB`, `1048576 B` → bytes; `unlimited` and `none` → `None`. `GiB` is 1024³, `GB` is 1000³; a number without a unit is refused, and so is one in bits
/// (`Gb`); else letters may be of either case.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_bytes(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim();
    if matches!(text.to_ascii_lowercase().as_str(), "unlimited" | "none" | "∞") {
        return Ok(None);
    }
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (digits, unit) = (&text[..split], text[split..].trim());
    let wrong = || String::from("Write a size such as 512 MiB or 10 GiB, or “unlimited”.");
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    if means_bits(unit) {
        let unit = unit.to_ascii_uppercase();
        return Err(format!(
            "“b” may mean bits. Write {digits} {}iB (powers of 1024) or {digits} {unit} (powers of 1000).",
            &unit[..1]
        ));
    }
    let factor = SIZE_UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name)).map(|(_, factor)| *factor);
    let Some(factor) = factor else { return Err(unit_missing(digits, unit).unwrap_or_else(wrong)) };
    let bytes = number * factor as f64;
    if bytes < 1.0 {
        return Err(String::from("A quota must be at least 1 byte. For no limit write “unlimited”."));
    }
    if bytes > 1e15 {
        return Err(String::from("That is more than Neon can hold. For no limit write “unlimited”."));
    }
    Ok(Some(bytes as i64))
}

/// `Gb` and `Mb` are gigabits and megabits to many; `gb`, `GB` and `GiB` are bytes to everybody.
fn means_bits(unit: &str) -> bool {
    matches!(unit, "Kb" | "Mb" | "Gb" | "Tb")
}

/// What may have been meant by a number without a unit, or with one that means 1024 to some and 1000 to others.
fn unit_missing(digits: &str, unit: &str) -> Option<String> {
    match unit.to_ascii_uppercase().as_str() {
        "" => Some(format!("Write the unit: {digits} MiB or {digits} GiB.")),
        letter @ ("K" | "M" | "G" | "T") => {
            Some(format!("Write {digits} {letter}iB (powers of 1024) or {digits} {letter}B (powers of 1000)."))
        }
        _ => None,
    }
}

/// The exact size beside one that a person wrote: `10 GB` → `10,000,000,000 bytes (9.3 GiB)`.
pub fn exact_bytes(n: i64) -> String {
    let plain = if n == 1 { String::from("1 byte") } else { format!("{} bytes", grouped(n)) };
    if n < 1024 { plain } else { format!("{plain} ({})", bytes(n)) }
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
    fn sizes_are_read_as_written_and_gb_is_not_gib() {
        assert_eq!(parse_bytes("512 MiB"), Ok(Some(536_870_912)));
        assert_eq!(parse_bytes("10 GiB"), Ok(Some(10_737_418_240)));
        assert_eq!(parse_bytes("10 GB"), Ok(Some(10_000_000_000)));
        assert_eq!(parse_bytes("1.5gb"), Ok(Some(1_500_000_000)));
        assert_eq!(parse_bytes("1 B"), Ok(Some(1)));
        assert_eq!(parse_bytes(" unlimited "), Ok(None));
        for wrong in ["", "ten", "-5 MiB", "0 B", "1.2.3 MiB", "5 parsecs", "5 MiB or so", "99999999999999 TiB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_size_without_a_clear_unit_is_refused_with_a_suggestion() {
        assert_eq!(parse_bytes("10"), Err(String::from("Write the unit: 10 MiB or 10 GiB.")));
        assert_eq!(parse_bytes(" 0.5 "), Err(String::from("Write the unit: 0.5 MiB or 0.5 GiB.")));
        assert_eq!(
            parse_bytes("10 Gb"),
            Err(String::from("“b” may mean bits. Write 10 GiB (powers of 1024) or 10 GB (powers of 1000)."))
        );
        assert_eq!(parse_bytes("10 gb"), Ok(Some(10_000_000_000)));
        let error = parse_bytes("10g").expect_err("which G?");
        assert_eq!(error, "Write 10 GiB (powers of 1024) or 10 GB (powers of 1000).");
    }

    #[test]
    fn the_exact_size_stands_beside_what_was_written() {
        assert_eq!(exact_bytes(10_000_000_000), "10,000,000,000 bytes (9.3 GiB)");
        assert_eq!(exact_bytes(1), "1 byte");
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
