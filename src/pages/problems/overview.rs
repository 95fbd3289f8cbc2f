//! What is wrong in words, worst first; or what healthy looks like. And databases that Neon has refused something for several times.

use leptos::prelude::*;

use crate::components::{EmptyState, Glyph, Icon, Panel, Table, Timestamp};
use crate::pages::{history::short, look, path, user_text::UserText};
use fleet_types::{
    Blocked, DatabaseState, FindingKind, FindingStatus, Problem, Problems, SweepFacts, Time, TroubledRow, grouped,
};

#[component]
pub fn Overview(problems: Problems) -> impl IntoView {
    let sweep = problems.last_sweep;
    if problems.is_healthy() {
        return view! { <Healthy problems /> }.into_any();
    }
    let is_calm = problems.problems.is_empty();
    let blocked = problems.blocked;
    let lines = problems.problems.into_iter().map(|problem| view! { <Line problem /> }).collect_view();
    view! {
        <Panel title="What is wrong" aside=move || view! { <SweepLine sweep /> } flush=true>
            {is_calm.then(|| view! { <p class="px-4 py-3 text-sm text-muted">"Nothing that needs anybody now. What is suspected, set aside or not ours stands below."</p> })}
            <ol class="divide-y divide-base-300">{lines} <BlockedLine blocked /></ol>
        </Panel>
    }
    .into_any()
}

#[component]
fn Line(problem: Problem) -> impl IntoView {
    let look = look::of_level(problem.level);
    let title = view! { <span class="sr-only">{look.word} ": "</span> {problem.text} };
    view! {
        <Entry glyph=look.glyph tone=look.tone.text() href=problem.href doing=problem.doing since=problem.since>
            {title}
        </Entry>
    }
}

/// Owners whose databases are stopped: business as usual, but theirs.
#[component]
fn BlockedLine(blocked: Vec<Blocked>) -> impl IntoView {
    let all: i64 = blocked.iter().map(|part| part.count).sum();
    let since = blocked.iter().filter_map(|part| part.since).min();
    let reasons: Vec<String> =
        blocked.iter().map(|part| format!("{} {}", grouped(part.count), part.reason.label())).collect();
    let doing = String::from(
        "Until the billing period ends or the quota is raised, Neon does not start them; a full storage only refuses writes.",
    );
    (all > 0).then(|| {
        let title = format!("{} of the claimed databases are blocked: {}", grouped(all), reasons.join(", "));
        view! {
            <Entry glyph=Glyph::Block tone="text-muted" href=path::blocked() doing since since_word="first seen ">
                {title}
            </Entry>
        }
    })
}

/// What is wrong, since when as far as that is known, and what is done about it.
#[component]
fn Entry(
    glyph: Glyph,
    tone: &'static str,
    href: String,
    doing: String,
    since: Option<Time>,
    #[prop(default = "since ")] since_word: &'static str,
    children: Children,
) -> impl IntoView {
    view! {
        <li class="flex gap-3 px-4 py-3">
            <span class=format!("mt-0.5 shrink-0 {tone}")>
                <Icon glyph />
            </span>
            <div class="min-w-0 flex-1">
                <p class="flex flex-wrap items-baseline justify-between gap-x-4">
                    <a class="link-hover min-w-0 font-medium break-words" href=href>
                        {children()}
                    </a>
                    {since.map(|at| view! { <span class="text-xs text-muted">{since_word} <Timestamp at /></span> })}
                </p>
                <p class="text-sm break-words text-muted">{doing}</p>
            </div>
        </li>
    }
}

#[component]
fn SweepLine(sweep: Option<SweepFacts>) -> impl IntoView {
    match sweep {
        Some(sweep) => view! {
            <span class="text-xs text-muted tabular-nums">
                "Last complete sweep " <Timestamp at=sweep.finished_at />
                {format!(": {} projects, {} ours{}", grouped(sweep.projects), grouped(sweep.ours), others(sweep))}
            </span>
        }
        .into_any(),
        None => view! { <span class="text-xs text-muted">"No sweep has been complete yet"</span> }.into_any(),
    }
}

/// Another installation's projects are never ours to judge.
fn others(sweep: SweepFacts) -> String {
    match sweep.others {
        0 => String::new(),
        count => format!(", {} of another installation", grouped(count)),
    }
}

#[component]
fn Healthy(problems: Problems) -> impl IntoView {
    let strays = problems.open(FindingKind::Stray);
    let ignored = problems.count(None, FindingStatus::Ignored);
    let told = problems.last_sweep.map(|sweep| {
        view! {
            <p class="tabular-nums">
                "The last complete sweep over Neon's list ended " <Timestamp at=sweep.finished_at />
                {format!(
                    ". It showed {} projects; {} of them are ours{}, and every one has its row in the ledger. Every living row has its project, with the quota that the ledger wants.",
                    grouped(sweep.projects),
                    grouped(sweep.ours),
                    others(sweep),
                )}
            </p>
        }
    });
    let not_yet = told.is_none();
    view! {
        <div class="panel">
            <EmptyState glyph=Glyph::Check title="Nothing is wrong">
                {told}
                {not_yet.then(|| view! { <p>"No sweep over Neon's list has been complete yet; the first takes about a minute for 100,000 projects."</p> })}
                {(strays + ignored > 0).then(|| view! {
                    <p class="mt-1 tabular-nums">
                        {format!("{} projects are not ours and never touched; {} findings are ignored.", grouped(strays), grouped(ignored))}
                    </p>
                })}
            </EmptyState>
        </div>
    }
}

/// Creations set aside, and changes that keep failing.
#[component]
pub fn Troubled(problems: Problems) -> impl IntoView {
    let Problems { failed, failed_rows, stuck_rows, .. } = problems;
    let set_aside = (failed > 0).then(|| {
        let all = path::databases_in(DatabaseState::Failed);
        let count = grouped(failed);
        view! {
            <Panel
                title="Creations set aside"
                aside=move || view! { <a class="link link-hover text-sm text-primary" href=all.clone()>{format!("All {count}")}</a> }
                flush=true
            >
                <p class="px-4 py-2 text-sm text-muted">
                    "They failed too often, and the pool has replaced them. After 15 minutes Flotilla deletes what there is of them on Neon; what Neon said stays in the history."
                </p>
                <Rows label="Databases whose creation was set aside" rows=failed_rows />
            </Panel>
        }
    });
    let stuck = (!stuck_rows.is_empty()).then(|| {
        view! {
            <Panel title="Changes that keep failing" flush=true>
                <p class="px-4 py-2 text-sm text-muted">"Neon has not carried them out yet. The engine goes on trying, less and less often."</p>
                <Rows label="Databases whose changes keep failing" rows=stuck_rows />
            </Panel>
        }
    });
    view! {
        {stuck}
        {set_aside}
    }
}

#[component]
fn Rows(label: &'static str, rows: Vec<TroubledRow>) -> impl IntoView {
    let head = view! {
        <th scope="col">"Database"</th>
        <th scope="col">"Why"</th>
        <th scope="col">"Since"</th>
        <th scope="col">"Tried"</th>
        <th scope="col">"Next"</th>
    }
    .into_any();
    let rows = rows.into_iter().map(|row| view! { <Row row /> }).collect_view();
    view! { <Table label cards=true head>{rows}</Table> }
}

#[component]
fn Row(row: TroubledRow) -> impl IntoView {
    view! {
        <tr class="row-link">
            <td>
                <a class="row-target font-medium" href=path::database(row.id)>{short(row.id)}</a>
                <span class="block text-xs text-muted">{row.pool}</span>
            </td>
            <td data-label="Why" class="text-cell max-w-xl break-words"><UserText text=row.error.unwrap_or_else(|| String::from("No reason is known.")) /></td>
            <td data-label="Since" class="when"><Timestamp at=row.since /></td>
            <td data-label="Tried" class="tabular-nums">{format!("{} times", row.attempts)}</td>
            <td data-label="Next" class="when">
                {match row.next_attempt_at {
                    Some(at) => view! { <Timestamp at /> }.into_any(),
                    None => view! { <span class="text-muted">"not tried again"</span> }.into_any(),
                }}
            </td>
        </tr>
    }
}
