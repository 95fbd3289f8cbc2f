//! What the ledger has, against what Neon has: claimed and withheld databases. What Neon's list lacks may live all the same, so each is asked for by its id
//! before anything is said of it.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{
    Repair, RepairError, RepairReport,
    report::{how_to_give, used_at},
};
use crate::neon_quota;
use fleet_types::Quota;
use ledger::{By, Held, Withheld};
use neon_client::{NeonError, Project, ProjectItem};

/// Projects that are asked for by their ids in one run.
const MOST_ASKED: usize = 200;

/// What Neon says of a project that its list lacks.
enum Answer {
    Gone,
    Lives(Box<Project>),
    /// As many as may be were asked for.
    NotAsked,
}

impl Repair {
    async fn ask_for(&self, project_id: &str, report: &mut RepairReport) -> Result<Answer, RepairError> {
        if report.asked >= MOST_ASKED {
            return Ok(Answer::NotAsked);
        }
        report.asked += 1;
        match self.neon().get_project(project_id).await {
            Ok(project) => Ok(Answer::Lives(Box::new(project))),
            Err(NeonError::NotFound { .. }) => Ok(Answer::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Claimed databases: whether their project is there, with the quota that the ledger wants.
    pub(super) async fn look_at_held(
        &self,
        on_neon: &HashMap<&str, &ProjectItem>,
        apply: bool,
        by: &By,
        report: &mut RepairReport,
    ) -> Result<(), RepairError> {
        let mut after = Uuid::nil();
        loop {
            let rows = self.ledger.claimed_behind(after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            for held in &rows {
                let listed = on_neon.get(held.project_id.as_str());
                let quota = match listed.map(|item| item.quota.as_ref()) {
                    Some(Some(quota)) => Some(neon_quota::from_neon(quota)),
                    Some(None) if !held.may_have_forgotten => None,
                    Some(None) | None => self.quota_by_id(held, listed.is_some(), report).await?,
                };
                if let Some(quota) = quota {
                    self.settle_quota(held, &quota, apply, by, report).await?;
                }
            }
        }
    }

    /// Of a project that the list lacks, or of which it does not tell the quota. `None` when Neon has no such project, or was not asked.
    async fn quota_by_id(
        &self,
        held: &Held,
        is_listed: bool,
        report: &mut RepairReport,
    ) -> Result<Option<Quota>, RepairError> {
        match self.ask_for(&held.project_id, report).await? {
            Answer::Lives(project) => {
                report.unlisted += usize::from(!is_listed);
                return Ok(Some(neon_quota::from_neon(&project.quota)));
            }
            // Released after the backup, it seems.
            Answer::Gone => report.decide(format!(
                "Database {} of {}: Neon does not know its project {} any more. If it was released since the backup, release it here too, once the server has been started with this ledger; else recover it on the screen Problems.",
                held.id, held.owner_id, held.project_id
            )),
            Answer::NotAsked => report.unasked += 1,
        }
        Ok(None)
    }

    /// Takes the quota that Neon has, if it was changed after this ledger's time; writes down that it was not, if it is the same.
    async fn settle_quota(
        &self,
        held: &Held,
        on_neon: &Quota,
        apply: bool,
        by: &By,
        report: &mut RepairReport,
    ) -> Result<(), RepairError> {
        if !held.may_have_forgotten {
            return Ok(());
        }
        if *on_neon == held.quota {
            if apply {
                self.ledger.agree_on_quota(held.id, on_neon).await?;
            }
            return Ok(());
        }
        // Somebody may have decided since it was read.
        if !self.ledger.may_have_forgotten_quota(held.id).await? {
            return Ok(());
        }
        if !apply || self.ledger.take_quota_of_neon(held.id, &held.quota, on_neon, by).await? {
            report.quotas.push(format!(
                "{} (project {}): {}: {}",
                held.id,
                held.project_id,
                held.owner_id,
                held.quota.changes_to(on_neon)
            ));
        }
        Ok(())
    }

    /// Withheld databases of which no name tells an owner.
    pub(super) async fn tell_withheld(
        &self,
        on_neon: &HashMap<&str, &ProjectItem>,
        made_for: &HashMap<Uuid, Vec<&ProjectItem>>,
        owned: &HashSet<String>,
        report: &mut RepairReport,
    ) -> Result<(), RepairError> {
        for row in self.ledger.withheld().await? {
            let known = match row.project_id.as_deref() {
                Some(id) => on_neon.get(id).copied(),
                // Neon was asked for it, and the answer is not in this ledger. Of several that bear its name a person was told.
                None => match made_for.get(&row.id).map(Vec::as_slice) {
                    Some([one]) => Some(*one),
                    Some(_) => continue,
                    None => None,
                },
            };
            match known {
                Some(item) if owned.contains(&item.id) => {}
                Some(item) => tell_use(&row, item, report),
                None => self.tell_absent(&row, report).await?,
            }
        }
        Ok(())
    }

    async fn tell_absent(&self, row: &Withheld, report: &mut RepairReport) -> Result<(), RepairError> {
        let Some(project_id) = row.project_id.as_deref() else {
            report.gone += 1;
            return Ok(());
        };
        match self.ask_for(project_id, report).await? {
            Answer::Gone => report.gone += 1,
            Answer::Lives(_) => report.unlisted += 1,
            Answer::NotAsked => report.withheld_unasked += 1,
        }
        Ok(())
    }
}

fn tell_use(row: &Withheld, item: &ProjectItem, report: &mut RepairReport) {
    match used_at(row.proven_new_at.or(item.created_at), item.last_active_at.max(row.last_active_at)) {
        Some(at) => report.decide(format!(
            "Database {} (project {}) was used at {} UTC, and no name tells by whom. {} Or release it.",
            row.id,
            item.id,
            at.format("%Y-%m-%d %H:%M"),
            how_to_give(&item.id)
        )),
        None => report.unused += 1,
    }
}
