//! Roles and databases of a branch. A project is born with one of each, which stand in its row; as soon as something
//! changes about them, all of the branch's have rows of their own.

use serde::Serialize;
use sqlx::FromRow;

use super::{Project, Refusal};
use crate::clock::Instant;
use crate::names;

/// Neon allows as many of each on a branch.
const MOST: usize = 500;

/// Field names are column names.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Role {
    pub branch_id: String,
    pub name: String,
    pub password: String,
    /// Valid instead of the new one until `password_due`.
    pub previous_password: Option<String>,
    pub password_due: Option<Instant>,
    pub no_login: bool,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Database {
    pub id: i64,
    pub branch_id: String,
    pub name: String,
    pub owner_name: String,
    /// The last part of its name in the backing server.
    pub backing_part: String,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// All that a branch has of them, in the order of their creation.
#[derive(Debug, Clone)]
pub struct Objects {
    pub roles: Vec<Role>,
    pub databases: Vec<Database>,
}

impl Role {
    /// The password that opens the database at this moment.
    pub fn valid_password(&self, now: Instant) -> &str {
        match (&self.previous_password, self.password_due) {
            (Some(previous), Some(due)) if now < due => previous,
            _ => &self.password,
        }
    }
}

impl Database {
    fn new(id: i64, branch_id: &str, name: &str, owner_name: &str, now: Instant) -> Self {
        Self {
            id,
            branch_id: branch_id.into(),
            name: name.into(),
            owner_name: owner_name.into(),
            backing_part: format!("{name}.{id}"),
            created_at: now,
            updated_at: now,
        }
    }
}

impl Objects {
    /// What a project is born with.
    pub fn born_with(project: &Project) -> Self {
        let role = Role {
            branch_id: project.branch_id.clone(),
            name: project.role_name.clone(),
            password: project.role_password.clone(),
            previous_password: None,
            password_due: None,
            no_login: false,
            created_at: project.created_at,
            updated_at: project.created_at,
        };
        let database = Database {
            backing_part: project.database_name.clone(),
            ..Database::new(
                project.database_id,
                &project.branch_id,
                &project.database_name,
                &project.role_name,
                project.created_at,
            )
        };
        Self { roles: vec![role], databases: vec![database] }
    }

    /// The same on another branch, with ids of their own for the databases.
    pub fn copied_to(&self, branch_id: &str, ids: Vec<i64>, now: Instant) -> Self {
        let role = |role: &Role| Role {
            branch_id: branch_id.into(),
            password: role.valid_password(now).into(),
            previous_password: None,
            password_due: None,
            ..role.clone()
        };
        let databases = self.databases.iter().zip(ids);
        Self {
            roles: self.roles.iter().map(role).collect(),
            databases: databases
                .map(|(own, id)| Database::new(id, branch_id, &own.name, &own.owner_name, now))
                .collect(),
        }
    }

    pub fn role(&self, name: &str) -> Result<&Role, Refusal> {
        self.roles.iter().find(|role| role.name == name).ok_or(Refusal::NotFound("role"))
    }

    pub fn database(&self, name: &str) -> Result<&Database, Refusal> {
        self.databases.iter().find(|database| database.name == name).ok_or(Refusal::NotFound("database"))
    }

    pub fn add_role(&mut self, branch_id: &str, name: &str, no_login: bool, now: Instant) -> Result<Role, Refusal> {
        if self.role(name).is_ok() {
            return Err(Refusal::Exists(format!("role \"{name}\" already exists")));
        }
        if self.roles.len() >= MOST {
            return Err(Refusal::LimitExceeded("ROLES_LIMIT_EXCEEDED", format!("roles limit of {MOST} exceeded")));
        }
        let role = Role {
            branch_id: branch_id.into(),
            name: name.into(),
            password: names::password(),
            previous_password: None,
            password_due: None,
            no_login,
            created_at: now,
            updated_at: now,
        };
        self.roles.push(role.clone());
        Ok(role)
    }

    /// The role that is gone now. One that owns a database stays.
    pub fn remove_role(&mut self, name: &str) -> Result<Role, Refusal> {
        if let Some(owned) = self.databases.iter().find(|database| database.owner_name == name) {
            let text = format!("role \"{name}\" cannot be deleted because it owns database \"{}\"", owned.name);
            return Err(Refusal::Unprocessable(text));
        }
        let place = self.roles.iter().position(|role| role.name == name).ok_or(Refusal::NotFound("role"))?;
        Ok(self.roles.remove(place))
    }

    /// A new password; the old one stays valid until `due`.
    pub fn reset_password(&mut self, name: &str, now: Instant, due: Instant) -> Result<Role, Refusal> {
        let role = self.roles.iter_mut().find(|role| role.name == name).ok_or(Refusal::NotFound("role"))?;
        role.previous_password = Some(std::mem::replace(&mut role.password, names::password()));
        role.password_due = Some(due);
        role.updated_at = now;
        Ok(role.clone())
    }

    pub fn add_database(
        &mut self,
        id: i64,
        branch_id: &str,
        name: &str,
        owner_name: &str,
        now: Instant,
    ) -> Result<Database, Refusal> {
        self.role(owner_name)?;
        self.name_must_be_free(name)?;
        if self.databases.len() >= MOST {
            let text = format!("databases limit of {MOST} exceeded");
            return Err(Refusal::LimitExceeded("DATABASES_LIMIT_EXCEEDED", text));
        }
        let database = Database::new(id, branch_id, name, owner_name, now);
        self.databases.push(database.clone());
        Ok(database)
    }

    /// Another name or owner for a database.
    pub fn update_database(
        &mut self,
        name: &str,
        new_name: Option<String>,
        new_owner: Option<String>,
        now: Instant,
    ) -> Result<Database, Refusal> {
        self.database(name)?;
        if let Some(new_name) = new_name.as_deref().filter(|new_name| *new_name != name) {
            self.name_must_be_free(new_name)?;
        }
        if let Some(new_owner) = &new_owner {
            self.role(new_owner)?;
        }
        let found = self.databases.iter_mut().find(|database| database.name == name);
        let database = found.ok_or(Refusal::NotFound("database"))?;
        database.name = new_name.unwrap_or_else(|| database.name.clone());
        database.owner_name = new_owner.unwrap_or_else(|| database.owner_name.clone());
        database.updated_at = now;
        Ok(database.clone())
    }

    pub fn remove_database(&mut self, name: &str) -> Result<Database, Refusal> {
        let place = self.databases.iter().position(|database| database.name == name);
        Ok(self.databases.remove(place.ok_or(Refusal::NotFound("database"))?))
    }

    fn name_must_be_free(&self, name: &str) -> Result<(), Refusal> {
        match self.database(name) {
            Ok(_) => Err(Refusal::Exists(format!("database \"{name}\" already exists"))),
            Err(_) => Ok(()),
        }
    }
}
