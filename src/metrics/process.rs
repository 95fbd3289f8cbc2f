//! The process itself. Memory is told where the system has `/proc`.

use super::sheet::Sheet;

pub(super) fn write(sheet: &Sheet, started_at: f64) -> prometheus::Result<()> {
    let build = sheet.gauge("flotilla_build_info", "Which Flotilla this is; the value is always 1.", &["version"])?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    sheet.value("process_start_time_seconds", "When the process started, since 1970.", started_at)?;
    if let Some(bytes) = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status)) {
        sheet.value("process_resident_memory_bytes", "Memory that the process holds.", bytes)?;
    }
    Ok(())
}

/// From the line `VmRSS:     12345 kB`.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident("Name:\tflotilla\nVmHWM:\t  9 kB\nVmRSS:\t  51200 kB\n"), Some(52_428_800.0));
        assert_eq!(resident("Name:\tflotilla\n"), None);
    }
}
