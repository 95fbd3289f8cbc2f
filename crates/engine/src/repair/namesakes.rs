//! Namesakes: projects that bear the name of one database. Anybody may give a project a name on Neon, so it does not say which of several is the owner's: only
//! a row that knows its project does.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Repair, RepairError, RepairReport};
use crate::owner_tag::read_name;
use fleet_types::Time;
use ledger::KnownRow;
use neon_client::ProjectItem;
use secrets::Secrets;

/// Projects of one name that are described; there may be more.
const DESCRIBED: usize = 5;

/// All projects by their name without the owner.
pub(super) struct Namesakes<'a>(HashMap<&'a str, Vec<&'a ProjectItem>>);

impl<'a> Namesakes<'a> {
    pub(super) fn among(secrets: &Secrets, projects: &'a [ProjectItem]) -> Self {
        let mut by_name: HashMap<&str, Vec<&ProjectItem>> = HashMap::new();
        for item in projects {
            if let Some((_, plain_name, _)) = read_name(secrets, &item.name) {
                by_name.entry(plain_name).or_default().push(item);
            }
        }
        Self(by_name)
    }

    /// Those that bear this name, when there are several.
    fn several(&self, plain_name: &str) -> Option<&[&'a ProjectItem]> {
        self.0.get(plain_name).map(Vec::as_slice).filter(|items| items.len() > 1)
    }
}

impl Repair {
    /// Whether the project is the one of the database whose name it bears. If it is not, or nobody can tell, that is told.
    pub(super) async fn is_its_own(
        &self,
        item: &ProjectItem,
        id: Uuid,
        plain_name: &str,
        row: Option<&KnownRow>,
        namesakes: &Namesakes<'_>,
        report: &mut RepairReport,
    ) -> Result<bool, RepairError> {
        if row.is_some_and(|row| row.knows_its_project) {
            return Ok(true);
        }
        if row.is_none()
            && let Some(own) = self.project_of_namesake(item, id, plain_name).await?
        {
            report.tell_namesake(format!(
                "Project {} bears the name of database {id}, which has the project {own}",
                described(item)
            ));
            return Ok(false);
        }
        let Some(several) = namesakes.several(plain_name) else { return Ok(true) };
        if several.first().is_some_and(|first| first.id == item.id) {
            report.decide(several_of(&id.to_string(), several));
        }
        Ok(false)
    }

    /// The project of the row that has this id or name, if it is another one.
    pub(super) async fn project_of_namesake(
        &self,
        item: &ProjectItem,
        id: Uuid,
        plain_name: &str,
    ) -> Result<Option<String>, RepairError> {
        Ok(self.ledger.project_of_namesake(id, plain_name).await?.filter(|own| *own != item.id))
    }
}

/// Why a person has to say which of these projects is the database's.
pub(super) fn several_of(database: &str, projects: &[&ProjectItem]) -> String {
    let described: Vec<String> = projects.iter().take(DESCRIBED).map(|item| described(item)).collect();
    let more = if projects.len() > DESCRIBED { ", and more" } else { "" };
    format!(
        "Database {database}: {} projects bear its name, and the ledger does not say which is its own: {}{more}. Look which has its owner's data, and give them that one: `flotilla ledger give-back PROJECT --owner ID`. Then delete the others on Neon, if they are nobody's.",
        projects.len(),
        described.join(", ")
    )
}

fn described(item: &ProjectItem) -> String {
    let at = |time: Option<Time>, never: &str| {
        time.map_or_else(|| never.to_owned(), |at| format!("{} UTC", at.format("%Y-%m-%d %H:%M")))
    };
    format!(
        "{} (made {}, last used {})",
        item.id,
        at(item.created_at, "nobody knows when"),
        at(item.last_active_at, "never")
    )
}
