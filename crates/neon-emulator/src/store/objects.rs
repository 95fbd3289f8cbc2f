//! Roles and databases of a branch. They are few, so that all of a branch's are read and written at once.

use sqlx::PgConnection;

use super::Store;
use super::changes::insert_operations;
use super::places::{Place, find, save_view};
use super::records::records;
use crate::clock::Instant;
use crate::model::{Database, Objects, Operation, Project, Refusal, Role};

/// What a change of objects comes to: the project seen from the branch, what the change returned, its operations.
pub type Changed<T> = (Project, T, Vec<Operation>);

impl Store {
    /// What the branch has that the project is seen from.
    pub async fn objects(&self, project: &Project) -> Result<Objects, Refusal> {
        let mut connection = self.pool.acquire().await?;
        Ok(read(&mut connection, project).await?)
    }

    /// Runs `change` on roles and databases of a branch under the lock of its project. A refusal changes nothing.
    pub async fn change_objects<T, F>(
        &self,
        project_id: &str,
        branch_id: &str,
        change: F,
    ) -> Result<Changed<T>, Refusal>
    where
        T: Send,
        F: FnOnce(&mut Project, &mut Objects, Instant) -> Result<(T, Vec<Operation>), Refusal> + Send,
    {
        let mut transaction = self.pool.begin().await?;
        let mut view = find(&mut transaction, project_id, Place::Branch(branch_id), true).await?;
        let now = self.clock.now();
        let suspension = view.settle(now, &self.timing);
        let mut objects = read(&mut transaction, &view).await?;
        let (value, operations) = change(&mut view, &mut objects, now)?;
        forget(&mut transaction, branch_id).await?;
        insert(&mut transaction, &objects).await?;
        save_view(&mut transaction, &view).await?;
        let all: Vec<&Operation> = suspension.iter().chain(&operations).collect();
        insert_operations(&mut transaction, &all).await?;
        transaction.commit().await?;
        Ok((view, value, operations))
    }
}

async fn read(connection: &mut PgConnection, project: &Project) -> sqlx::Result<Objects> {
    if !project.objects_apart {
        return Ok(Objects::born_with(project));
    }
    let roles: Vec<Role> = sqlx::query_as("SELECT * FROM roles WHERE branch_id = $1 ORDER BY created_at, name")
        .bind(&project.branch_id)
        .fetch_all(&mut *connection)
        .await?;
    let databases: Vec<Database> = sqlx::query_as("SELECT * FROM databases WHERE branch_id = $1 ORDER BY id")
        .bind(&project.branch_id)
        .fetch_all(connection)
        .await?;
    Ok(Objects { roles, databases })
}

pub(super) async fn insert(connection: &mut PgConnection, objects: &Objects) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO roles SELECT * FROM json_populate_recordset(NULL::roles, $1::text::json)")
        .bind(records(&objects.roles)?)
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO databases SELECT * FROM json_populate_recordset(NULL::databases, $1::text::json)")
        .bind(records(&objects.databases)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes what a branch has, so that it can be written anew.
pub(super) async fn forget(connection: &mut PgConnection, branch_id: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM roles WHERE branch_id = $1").bind(branch_id).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM databases WHERE branch_id = $1").bind(branch_id).execute(connection).await?;
    Ok(())
}
