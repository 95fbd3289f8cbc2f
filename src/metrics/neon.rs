//! The calls of this process to Neon, and what its budget of them does.

use super::sheet::Sheet;
use engine::NeonHealth;

pub(super) fn write(sheet: &Sheet, health: &NeonHealth, calls_per_minute: u32) -> prometheus::Result<()> {
    let labels = ["class", "method", "route", "status"];
    let help = "Calls to Neon by what they are for and how they ended; not_sent: no free permit in the budget.";
    let calls = sheet.counter("flotilla_neon_calls_total", help, &labels)?;
    let help = "Time spent on calls to Neon, from sending to the end of the answer.";
    let took = sheet.seconds_counter("flotilla_neon_call_seconds_total", help, &labels)?;
    for count in &health.calls {
        let status = count.status.to_string();
        let values = [count.class.as_str(), count.route.method, count.route.template, status.as_str()];
        calls.with_label_values(&values).inc_by(count.calls);
        took.with_label_values(&values).inc_by(count.total.as_secs_f64());
    }
    let paused = health.paused_for.map_or(0.0, |pause| pause.as_secs_f64());
    sheet.value("flotilla_neon_paused_seconds", "How long calls still pause because Neon asked for it.", paused)?;
    let waiting = health.waiting as f64;
    sheet.value("flotilla_neon_waiting_calls", "Calls that wait for a free permit in the budget.", waiting)?;
    sheet.value("flotilla_neon_call_limit", "Calls a minute that the budget allows.", calls_per_minute.into())
}
