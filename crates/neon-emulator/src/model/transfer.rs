//! Which projects of a batch may go to another organisation, and what stands in the way of the others. Pure; the state
//! carries it out.

use chrono::{DurationRound, TimeDelta};

use super::{Organization, Project};
use crate::clock::Instant;

/// Where plans allow a transfer to; Neon's pages contradict each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From every plan to every plan.
    #[default]
    Any,
    /// To the same plan or a lower one.
    Down,
    /// To the same plan or a higher one.
    Up,
}

/// What is decided where Neon's behaviour is not documented.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    pub direction: Direction,
    /// What stands before the first project that cannot go goes; else nothing does.
    pub one_by_one: bool,
    /// What is on its way, or there already, is no fault.
    pub repeats: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub source: &'a Organization,
    pub destination: &'a Organization,
    pub ids: &'a [String],
}

/// What is known about the projects of a batch.
#[derive(Debug, Default)]
pub struct Facts {
    /// Those that are alive, of whatever organisation.
    pub projects: Vec<Project>,
    /// Ids of those that are on their way somewhere.
    pub under_way: Vec<String>,
    /// Ids with what is connected to them.
    pub integrations: Vec<(String, String)>,
    /// How many projects the destination has, with those that are on their way to it.
    pub in_destination: i64,
}

/// A transfer that has been carried out. Field names are column names.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Move {
    pub project_id: String,
    pub source_org_id: String,
    pub destination_org_id: String,
    pub ended_at: Instant,
}

/// A limit that a transfer would break. Field names and texts are those of Neon's API.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UnmetLimit {
    pub name: &'static str,
    pub expected: String,
    pub actual: String,
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    Missing,
    OperationsRunning,
    Integrations(Vec<(String, String)>),
    Limits(Vec<UnmetLimit>),
}

impl Batch<'_> {
    /// The ids that go, in their order, and what stands in the way of the others.
    pub fn decide(&self, facts: &Facts, rules: Rules, now: Instant) -> (Vec<String>, Option<Obstacle>) {
        let wanted: Vec<&String> = self.ids.iter().filter(|id| !(rules.repeats && self.is_done(id, facts))).collect();
        if !rules.one_by_one {
            return match self.obstacle(&wanted, 0, facts, rules, now) {
                Some(obstacle) => (Vec::new(), Some(obstacle)),
                None => (wanted.into_iter().cloned().collect(), None),
            };
        }
        let mut going = Vec::new();
        for id in wanted {
            if let Some(obstacle) = self.obstacle(&[id], going.len(), facts, rules, now) {
                return (going, Some(obstacle));
            }
            going.push(id.clone());
        }
        (going, None)
    }

    /// On its way, or there already.
    fn is_done(&self, id: &String, facts: &Facts) -> bool {
        facts.under_way.contains(id)
            || facts.projects.iter().any(|project| project.id == *id && project.org_id == self.destination.id)
    }

    fn obstacle(&self, ids: &[&String], ahead: usize, facts: &Facts, rules: Rules, now: Instant) -> Option<Obstacle> {
        let of = |id: &&String| facts.projects.iter().find(|p| p.id == **id && p.org_id == self.source.id);
        let projects: Vec<&Project> = ids.iter().filter_map(of).collect();
        if projects.len() < ids.len() {
            return Some(Obstacle::Missing);
        }
        let is_wanted = |id: &String| ids.contains(&id);
        let integrations: Vec<_> = facts.integrations.iter().filter(|(id, _)| is_wanted(id)).cloned().collect();
        if !integrations.is_empty() {
            return Some(Obstacle::Integrations(integrations));
        }
        let limits = self.unmet(&projects, ahead, facts, rules.direction);
        if !limits.is_empty() {
            return Some(Obstacle::Limits(limits));
        }
        let is_locked = projects.iter().any(|p| p.is_busy(now)) || facts.under_way.iter().any(is_wanted);
        is_locked.then_some(Obstacle::OperationsRunning)
    }

    fn unmet(&self, projects: &[&Project], ahead: usize, facts: &Facts, direction: Direction) -> Vec<UnmetLimit> {
        let Self { source, destination, .. } = self;
        let mut unmet = Vec::new();
        let count = facts.in_destination + i64::try_from(ahead + projects.len()).unwrap_or(i64::MAX);
        if let Some(limit) = destination.projects_limit.filter(|limit| count > *limit) {
            unmet.push(UnmetLimit { name: "projects_count", expected: limit.to_string(), actual: count.to_string() });
        }
        let is_allowed = match direction {
            Direction::Any => true,
            Direction::Down => destination.plan <= source.plan,
            Direction::Up => destination.plan >= source.plan,
        };
        if !is_allowed {
            let (expected, actual) = (source.plan.word().into(), destination.plan.word().into());
            unmet.push(UnmetLimit { name: "subscription_type", expected, actual });
        }
        if let Some(project) = projects.iter().find(|project| !destination.allows_region(&project.region_id)) {
            let (expected, actual) = (destination.regions.join(","), project.region_id.clone());
            unmet.push(UnmetLimit { name: "project_region", expected, actual });
        }
        unmet
    }
}

/// Settings of a project that a plan does not allow, brought down to what it does.
pub fn clamp(project: &mut Project, destination: &Organization, now: Instant) {
    let plan = destination.plan;
    let most = plan.most_cu();
    project.default_max_cu = project.default_max_cu.min(most);
    project.default_min_cu = project.default_min_cu.min(most);
    project.resize_compute(project.endpoint_min_cu.min(most), project.endpoint_max_cu.min(most), now);
    for seconds in [&mut project.default_suspend_seconds, &mut project.endpoint_suspend_seconds] {
        if !plan.allows_suspend_after(*seconds) {
            *seconds = 0;
        }
    }
    project.history_retention_seconds = project.history_retention_seconds.min(plan.longest_history());
}

/// When a project was in an organisation, by its moves in the order of time. By whole hours, as its use is recorded: the
/// hour of a move belongs to where it came from.
pub fn time_in(org_id: &str, project: &Project, moves: &[Move]) -> Vec<(Instant, Instant)> {
    let mut since = Instant::MIN_UTC;
    let mut spans = Vec::new();
    for step in moves {
        let hour = step.ended_at.duration_trunc(TimeDelta::hours(1)).unwrap_or(step.ended_at);
        let until = hour + TimeDelta::hours(1);
        if step.source_org_id == org_id && since < until {
            spans.push((since, until));
        }
        since = until;
    }
    if project.org_id == org_id {
        spans.push((since, Instant::MAX_UTC));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;

    const NOW: &str = "2026-03-15T15:30:00Z";

    fn facts(ids: &[&str]) -> Facts {
        let project = |id: &&str| {
            let mut project = Project::virgin("org-a", "aws-us-east-1".into(), NOW.parse().unwrap());
            project.id = (*id).into();
            project
        };
        Facts { projects: ids.iter().map(project).collect(), ..Facts::default() }
    }

    fn decided(
        destination: &Organization,
        ids: &[&str],
        facts: &Facts,
        rules: Rules,
    ) -> (Vec<String>, Option<Obstacle>) {
        let source = Organization::new("org-a");
        let ids: Vec<String> = ids.iter().map(|id| (*id).into()).collect();
        Batch { source: &source, destination, ids: &ids }.decide(facts, rules, NOW.parse().unwrap())
    }

    fn counted(expected: &str, actual: &str) -> UnmetLimit {
        UnmetLimit { name: "projects_count", expected: expected.into(), actual: actual.into() }
    }

    #[test]
    fn a_batch_goes_as_a_whole_or_as_far_as_it_can() {
        let (facts, full) = (facts(&["p1", "p2", "p3"]), Organization::new("org-b").holding(2));
        let all = ["p1", "p2", "p3"];
        let whole = decided(&full, &all, &facts, Rules::default());
        assert_eq!(whole, (vec![], Some(Obstacle::Limits(vec![counted("2", "3")]))));
        let in_part = decided(&full, &all, &facts, Rules { one_by_one: true, ..Rules::default() });
        assert_eq!(in_part.0, ["p1", "p2"]);
        assert_eq!(in_part.1, Some(Obstacle::Limits(vec![counted("2", "3")])));
        assert_eq!(decided(&full, &all[..2], &facts, Rules::default()).0, ["p1", "p2"]);
    }

    #[test]
    fn what_has_gone_is_missing_unless_repeats_are_allowed() {
        let mut facts = facts(&["p1", "p2"]);
        facts.projects[0].org_id = "org-b".into();
        let destination = Organization::new("org-b");
        assert_eq!(decided(&destination, &["p1", "p2"], &facts, Rules::default()).1, Some(Obstacle::Missing));
        let repeats = Rules { repeats: true, ..Rules::default() };
        assert_eq!(decided(&destination, &["p1", "p2"], &facts, repeats), (vec!["p2".into()], None));
    }

    #[test]
    fn time_is_divided_between_organisations_without_a_gap() {
        let at = |text: &str| -> Instant { text.parse().unwrap() };
        let step = |from: &str, to: &str, when| Move {
            project_id: "p1".into(),
            source_org_id: from.into(),
            destination_org_id: to.into(),
            ended_at: at(when),
        };
        let moves = [step("org-a", "org-b", "2026-03-01T10:20:00Z"), step("org-b", "org-a", "2026-03-02T00:00:00Z")];
        let project = &facts(&["p1"]).projects[0];
        let (first, second) = (at("2026-03-01T11:00:00Z"), at("2026-03-02T01:00:00Z"));
        let of_a = [(Instant::MIN_UTC, first), (second, Instant::MAX_UTC)];
        assert_eq!(time_in("org-a", project, &moves), of_a);
        assert_eq!(time_in("org-b", project, &moves), [(first, second)]);
        assert_eq!(time_in("org-a", project, &[]), [(Instant::MIN_UTC, Instant::MAX_UTC)]);
    }

    #[test]
    fn plans_and_regions_can_stand_in_the_way() {
        let facts = facts(&["p1"]);
        let mut destination = Organization::new("org-b").on(Plan::Launch);
        destination.regions = vec!["aws-eu-central-1".into()];
        let names = |direction| match decided(&destination, &["p1"], &facts, Rules { direction, ..Rules::default() }).1
        {
            Some(Obstacle::Limits(limits)) => limits.iter().map(|limit| limit.name).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(names(Direction::Any), ["project_region"]);
        assert_eq!(names(Direction::Down), ["project_region"]);
        assert_eq!(names(Direction::Up), ["subscription_type", "project_region"]);
    }
}
