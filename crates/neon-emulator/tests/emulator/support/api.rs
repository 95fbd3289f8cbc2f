//! A client of the management API. Whatever it gets is validated against Neon's contract.

use std::sync::LazyLock;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::Contract;

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::load);

pub struct Api {
    client: Client,
    base: String,
    key: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Api {
    pub fn new(base: &str, key: &str) -> Self {
        // In a build of the whole workspace reqwest leaves the choice to us; an error says that it was made before.
        super::tls();
        Self { client: Client::new(), base: base.into(), key: key.into() }
    }

    /// A call as raw as a test needs it, with the key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// The emulator's own switches.
    pub fn switch(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/_emulator{path}", self.base.strip_suffix("/api/v2").unwrap()))
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method.clone(), path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        // 204 has no body, and says so.
        let body = if status == 204 && text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        CONTRACT.check(method.as_str(), path, status, &body);
        Answer { status, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// A POST without a body.
    pub async fn act(&self, path: &str) -> Answer {
        self.call(Method::POST, path, None).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// A new project of Neon's defaults.
    pub async fn create(&self, name: &str) -> Created {
        Created(self.post("/projects", json!({"project": {"name": name}})).await.ok(201))
    }

    /// The connection string of a project of Neon's default names.
    pub async fn uri(&self, created: &Created, pooled: bool) -> String {
        let query = format!("database_name=neondb&role_name=neondb_owner&pooled={pooled}");
        let answer = self.get(&format!("{}/connection_uri?{query}", created.path())).await.ok(200);
        answer["uri"].as_str().unwrap().to_owned()
    }

    pub async fn create_as(&self, project: Value) -> Created {
        Created(self.post("/projects", json!({ "project": project })).await.ok(201))
    }
}

impl Answer {
    /// The body, if the status is this one.
    #[track_caller]
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The message, if the status is this one.
    #[track_caller]
    pub fn refused(self, status: u16) -> String {
        self.ok(status)["message"].as_str().unwrap().to_owned()
    }
}

/// The answer to a creation.
pub struct Created(pub Value);

impl Created {
    pub fn id(&self) -> &str {
        self.0["project"]["id"].as_str().unwrap()
    }

    pub fn branch_id(&self) -> &str {
        self.0["branch"]["id"].as_str().unwrap()
    }

    pub fn endpoint_id(&self) -> &str {
        self.0["endpoints"][0]["id"].as_str().unwrap()
    }

    pub fn uri(&self) -> &str {
        self.0["connection_uris"][0]["connection_uri"].as_str().unwrap()
    }

    /// The connection string for another role, password or database.
    pub fn uri_as(&self, role: &str, password: &str, database: &str) -> String {
        let (_, rest) = self.uri().split_once('@').unwrap();
        let (address, rest) = rest.split_once('/').unwrap();
        let (_, query) = rest.split_once('?').unwrap();
        format!("postgresql://{role}:{password}@{address}/{database}?{query}")
    }

    pub fn password(&self) -> &str {
        self.0["roles"][0]["password"].as_str().unwrap()
    }

    pub fn path(&self) -> String {
        format!("/projects/{}", self.id())
    }

    pub fn branch_path(&self) -> String {
        format!("{}/branches/{}", self.path(), self.branch_id())
    }

    pub fn endpoint_path(&self) -> String {
        format!("{}/endpoints/{}", self.path(), self.endpoint_id())
    }
}
