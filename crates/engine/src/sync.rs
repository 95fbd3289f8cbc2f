//! Sync: sweeps over Neon's list of projects, 400 a page, for last activity and synthetic size, and for what does not fit the ledger. Only rows that
//! changed are written.
//!
//! A sweep goes as fast as its share of the budget allows and then rests, so that over time it takes a tenth of the calls. One run of the duty
//! writes down one page and reads the next meanwhile: memory holds two pages, and a fingerprint of eight bytes for each project seen. A sweep
//! counts as complete when every page was answered and none was partial; one that broke off, or skipped a project, proves nothing about what
//! it did not show. One bad record stops nothing: what cannot be read or written down is named, and the rest of its page goes on. A list that leads
//! back to where it came from, or does not end, is given up.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use super::{CrashPoint, Inner, Report, crash, setback::Setback};
use ledger::{LedgerError, ListedProject, PageOwners, Sweep, SweepRef, SweptPage};
use neon_client::{Class, NeonError, ProjectItem, ProjectPage, project::MAX_PAGE};

/// Rest for each page read: with 700 calls a minute, sweeps then take a tenth of them.
const REST_PER_PAGE: Duration = Duration::from_millis(860);
const CALL_DEADLINE: Duration = Duration::from_secs(40);
/// A page that fails is asked for again; a sweep without a page for this long is given up.
const LONGEST_STALL: Duration = Duration::from_secs(600);
/// A list that has not ended after so many pages more than twice those of the last complete sweep is wrong; and after so many in any case.
const PAGES_TO_SPARE: u32 = 250;
const MOST_PAGES: u32 = 5_000;
/// How long to wait before a page that failed is asked for again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Where the sweep of this replica stands.
#[derive(Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: Option<UnderWay>,
    /// No sweep or page before this.
    rests_until: Option<Instant>,
}

struct UnderWay {
    begun: SweepRef,
    /// Which page is to be read next; `None` when the last one has been read.
    next: Option<PageStart>,
    /// Read, and to be written down in the next run.
    read: Option<ProjectPage>,
    pages: u32,
    most_pages: u32,
    seen: SeenProjects,
    /// Fingerprints of the cursors that were followed.
    followed: HashSet<u64>,
    last_page_at: Instant,
}

/// Where in Neon's list a page begins.
enum PageStart {
    First,
    Behind(String),
}

/// Which projects a sweep has shown: eight bytes each.
#[derive(Default)]
pub(super) struct SeenProjects(HashSet<u64>);

impl SeenProjects {
    fn insert(&mut self, project_id: &str) {
        self.0.insert(fingerprint(project_id));
    }

    /// May say yes of a project that was not there, once in many millions of sweeps; never no of one that was.
    pub fn contains(&self, project_id: &str) -> bool {
        self.0.contains(&fingerprint(project_id))
    }
}

fn fingerprint(project_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    project_id.hash(&mut hasher);
    hasher.finish()
}

impl Inner {
    pub(super) async fn sync(&self) -> Report {
        let mut state = self.sync_progress.0.lock().await;
        if self.neon_is_failing() || state.rests_until.is_some_and(|until| Instant::now() < until) {
            return Report::idle();
        }
        match self.go_on(&mut state).await {
            Ok(None) => Report { more_is_due: true, ..Report::idle() },
            Ok(Some(sweep)) => told(&sweep),
            Err(Setback::Neon(error)) => {
                let soon = Instant::now() + TRY_AGAIN_AFTER;
                state.rests_until = Some(state.rests_until.map_or(soon, |until| until.max(soon)));
                Report { postponed: 1, error: Some(error.to_string()), ..Report::idle() }
            }
            Err(Setback::Ledger(error)) => Report::ledger_failed(&error),
        }
    }

    /// Writes down the page that was read and reads the next, of a new sweep if none is under way. Answers the sweep when it has ended.
    async fn go_on(&self, state: &mut State) -> Result<Option<Sweep>, Setback> {
        let mut sweep = match state.under_way.take() {
            Some(sweep) => sweep,
            None => self.begin().await?,
        };
        let page = sweep.read.take();
        // One takes PostgreSQL's time, the other Neon's.
        let (is_ours, read) = tokio::join!(self.take_in(sweep.begun, page.as_ref()), self.read(sweep.next.as_ref()));
        match is_ours {
            Ok(true) => {}
            // Another replica sweeps now.
            Ok(false) => return Ok(None),
            Err(error) => {
                // The page is written down in the next run, unless that has failed for long.
                sweep.read = page;
                if sweep.last_page_at.elapsed() < LONGEST_STALL {
                    state.under_way = Some(sweep);
                }
                return Err(error.into());
            }
        }
        if let Some(page) = page {
            page.items.iter().for_each(|item| sweep.seen.insert(&item.id));
            sweep.pages += 1;
        }
        match read {
            Some(Ok(page)) => {
                if let Some(why) = sweep.why_not_behind(&page) {
                    state.rests_until =
                        Some(Instant::now() + self.settings.sweep_rest.max(REST_PER_PAGE * sweep.pages));
                    self.ledger.break_off_sweep(sweep.begun.sweep, why).await?;
                    return Err(Setback::Neon(NeonError::Unreadable { detail: why.to_owned() }));
                }
                sweep.next = page.next.clone().map(PageStart::Behind);
                sweep.read = Some(page);
                sweep.last_page_at = Instant::now();
                state.under_way = Some(sweep);
                Ok(None)
            }
            Some(Err(error)) => {
                if sweep.last_page_at.elapsed() < LONGEST_STALL && !is_about_the_cursor(&error) {
                    state.under_way = Some(sweep);
                } else {
                    self.ledger.break_off_sweep(sweep.begun.sweep, &error.to_string()).await?;
                }
                Err(Setback::Neon(error))
            }
            None => {
                state.rests_until = Some(Instant::now() + self.settings.sweep_rest.max(REST_PER_PAGE * sweep.pages));
                Ok(Some(self.end(&sweep).await?))
            }
        }
    }

    async fn begin(&self) -> Result<UnderWay, LedgerError> {
        let begun = self.ledger.start_sweep(self.replica).await?;
        crash::here(CrashPoint::SweepBegun);
        Ok(UnderWay {
            begun: SweepRef { sweep: begun.id, started_at: begun.started_at },
            next: Some(PageStart::First),
            read: None,
            pages: 0,
            most_pages: most_pages(begun.expected),
            seen: SeenProjects::default(),
            followed: HashSet::new(),
            last_page_at: Instant::now(),
        })
    }

    async fn end(&self, sweep: &UnderWay) -> Result<Sweep, LedgerError> {
        let ended = self.ledger.finish_sweep(sweep.begun.sweep).await?;
        crash::here(CrashPoint::SweepEnded);
        if ended.is_complete {
            self.confirm(sweep.begun, &sweep.seen).await?;
            crash::here(CrashPoint::SweepConcluded);
        }
        Ok(ended)
    }

    async fn read(&self, start: Option<&PageStart>) -> Option<Result<ProjectPage, NeonError>> {
        let cursor = match start? {
            PageStart::First => None,
            PageStart::Behind(cursor) => Some(cursor.as_str()),
        };
        let neon = self.neon.with_class(Class::Sync).with_deadline(CALL_DEADLINE);
        let page = neon.list_projects(cursor, MAX_PAGE).await;
        if page.is_ok() {
            crash::here(CrashPoint::PageListed);
        }
        Some(page)
    }

    /// Writes down what a page tells. `false` when the sweep was given up meanwhile.
    async fn take_in(&self, by: SweepRef, page: Option<&ProjectPage>) -> Result<bool, LedgerError> {
        let Some(page) = page else { return Ok(true) };
        let mut counts = SweptPage { unavailable: page.unavailable as i64, ..SweptPage::default() };
        let mut parts = vec![page.items.as_slice()];
        while let Some(part) = parts.pop() {
            match self.take_in_part(by, part).await {
                Ok((changed, owners)) => {
                    counts.projects += part.len() as i64;
                    counts.changed += changed as i64;
                    counts.ours += owners.ours;
                    counts.others += owners.others;
                }
                // PostgreSQL stumbles over one of them: halved until it is alone, so that the others are written down.
                Err(error) if error.is_about_the_data() => match part {
                    [] => {}
                    [one] => {
                        counts.projects += 1;
                        self.neon.note_unreadable_project(&one.id, &format!("the ledger cannot hold it: {error}"));
                    }
                    _ => parts.extend([&part[..part.len() / 2], &part[part.len() / 2..]]),
                },
                Err(error) => return Err(error),
            }
        }
        crash::here(CrashPoint::PageTakenIn);
        self.observations.record_swept_page(by.sweep, counts).await
    }

    /// How many rows were written, and whose the projects are.
    async fn take_in_part(&self, by: SweepRef, part: &[ProjectItem]) -> Result<(u64, PageOwners), LedgerError> {
        let listed: Vec<ListedProject> = part.iter().map(listed).collect();
        let changed = self.observations.record_listed(&listed).await?;
        Ok((changed, self.note_page(by, part).await?))
    }
}

impl UnderWay {
    /// Why nothing may be read behind this page, if so.
    fn why_not_behind(&mut self, page: &ProjectPage) -> Option<&'static str> {
        let cursor = page.next.as_ref()?;
        if !self.followed.insert(fingerprint(cursor)) {
            return Some("Neon's list leads back to a page that was read before.");
        }
        (self.followed.len() as u32 > self.most_pages).then_some("Neon's list of projects does not end.")
    }
}

/// How many pages a sweep may have that is expected to find so many projects.
fn most_pages(expected: Option<i64>) -> u32 {
    let twice = expected.map(|projects| u32::try_from(projects * 2 / i64::from(MAX_PAGE)).unwrap_or(u32::MAX));
    twice.map_or(MOST_PAGES, |twice| twice.saturating_add(PAGES_TO_SPARE).min(MOST_PAGES))
}

fn listed(item: &ProjectItem) -> ListedProject {
    ListedProject {
        project_id: item.id.clone(),
        last_active_at: item.last_active_at,
        synthetic_size_bytes: item.synthetic_size_bytes,
    }
}

/// The project that the cursor names may have been deleted meanwhile: then the list is read anew.
fn is_about_the_cursor(error: &NeonError) -> bool {
    matches!(error, NeonError::Refused { .. } | NeonError::NotFound { .. })
}

fn told(sweep: &Sweep) -> Report {
    let done = vec![("projects seen", sweep.projects as u64), ("changed", sweep.changed as u64)];
    match sweep.unavailable {
        0 => Report { done, ..Report::idle() },
        missing => Report {
            done,
            postponed: missing as u64,
            error: Some(format!(
                "{missing} projects could not be read; the sweep proves nothing about what it did not show."
            )),
            ..Report::idle()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_may_be_twice_as_long_as_the_last_one_and_not_endless() {
        assert_eq!(most_pages(None), MOST_PAGES);
        assert_eq!(most_pages(Some(300_000)), 1_500 + PAGES_TO_SPARE);
        assert_eq!(most_pages(Some(i64::from(u32::MAX))), MOST_PAGES);
    }

    #[test]
    fn a_list_that_leads_back_or_does_not_end_is_given_up() {
        let page = |cursor: &str| ProjectPage { next: Some(cursor.to_owned()), ..ProjectPage::default() };
        let mut sweep = UnderWay {
            begun: SweepRef { sweep: 1, started_at: chrono::Utc::now() },
            next: None,
            read: None,
            pages: 0,
            most_pages: 100,
            seen: SeenProjects::default(),
            followed: HashSet::new(),
            last_page_at: Instant::now(),
        };
        assert!((0..100).all(|n| sweep.why_not_behind(&page(&format!("p-{n}"))).is_none()));
        assert!(sweep.why_not_behind(&page("p-7")).is_some_and(|why| why.contains("leads back")));
        assert!(sweep.why_not_behind(&page("p-100")).is_some_and(|why| why.contains("does not end")));
        assert_eq!(sweep.why_not_behind(&ProjectPage::default()), None, "the end");
    }

    #[test]
    fn what_was_seen_is_known_again() {
        let mut seen = SeenProjects::default();
        seen.insert("quiet-hill-1");
        assert!(seen.contains("quiet-hill-1"));
        assert!(!seen.contains("quiet-hill-2"));
    }
}
