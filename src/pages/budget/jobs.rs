//! Work that needs calls, and when it will be done.

use leptos::prelude::*;

use super::tables::class_name;
use crate::components::{EmptyState, Glyph, Meter, Table, Timestamp, Tone};
use fleet_types::{HeldWork, JobProgress, duration, grouped};

#[component]
pub fn Jobs(jobs: Vec<JobProgress>) -> impl IntoView {
    if jobs.is_empty() {
        return view! {
            <EmptyState glyph=Glyph::Check title="Nothing waits for calls">
                "The pools are full, and every change has been made. Work that needs many calls appears here with its end."
            </EmptyState>
        }
        .into_any();
    }
    let rows = jobs.into_iter().map(|job| view! { <Job job /> }).collect_view();
    let head = view! {
        <th scope="col">"Work"</th>
        <th scope="col">"Progress"</th>
        <th scope="col">"Class"</th>
        <th scope="col" class="text-right">"Calls left"</th>
        <th scope="col" class="text-right">"Ends in"</th>
    };
    view! {
        <Table label="Running jobs" cards=true head=head.into_any()>
            {rows}
        </Table>
        <p class="border-t border-base-300 px-4 py-2 text-xs text-muted">
            "The end as the budget allows it, beside the other work. Computes that start and answers that are slow can make it later."
        </p>
    }
    .into_any()
}

#[component]
fn Job(job: JobProgress) -> impl IntoView {
    let progress = match job.done {
        Some(done) => {
            let total = done + job.left;
            view! {
                <span class="tabular-nums">{format!("{} of {}", grouped(done), grouped(total))}</span>
                <Meter used=done as f64 limit=Some(total as f64) tone=Tone::Accent label=format!("{}: done, of all", job.name) />
            }
            .into_any()
        }
        None => view! { <span class="tabular-nums">{format!("{} left", grouped(job.left))}</span> }.into_any(),
    };
    let ends = match (job.ends_in_seconds, &job.held) {
        (_, Some(_)) => String::from("held back"),
        (Some(seconds), None) => duration(seconds),
        (None, None) => String::from("waits for Neon"),
    };
    view! {
        <tr>
            <td>
                <span class="font-medium">{job.name.clone()}</span>
                <span class="block text-xs text-muted">{job.what}</span>
                {job.held.map(|held| view! { <Held held /> })}
            </td>
            <td data-label="Progress" class="min-w-32">{progress}</td>
            <td data-label="Class">{class_name(&job.class)}</td>
            <td data-label="Calls left" class="text-right tabular-nums">{grouped(job.calls_left)}</td>
            <td data-label="Ends in" class="text-right whitespace-nowrap tabular-nums">{ends}</td>
        </tr>
    }
}

#[component]
fn Held(held: HeldWork) -> impl IntoView {
    let limits = match held.pools.as_slice() {
        [pool] => format!("The creation limit of pool {pool} holds it back; the next database is created "),
        [pool, others @ ..] => {
            format!(
                "The creation limits of {pool} and {} more hold it back; the next database is created ",
                others.len()
            )
        }
        [] => String::from("A creation limit holds it back; the next database is created "),
    };
    view! { <span class="block text-xs text-warning">{limits} <Timestamp at=held.until /> "."</span> }
}
