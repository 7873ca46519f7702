//! A site with users in memory, whose table a test can look into and change as SQL would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use duck::auth::{self, Accounts, Auth, Credentials, login_required};
use duck::prelude::*;
use duck::testing::{TestClient, TestResponse};
use duck_session::SessionMiddleware;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A hash of `hunter2` that cost next to nothing.
pub(crate) const OLD_HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$2s3jbspaK19LhcfYrHuC/Q$5Wnt2RQ/mRFWP68Pgi15kZJQ/DghYAHCfEYZGNDEjLM";

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) name: String,
}

pub(crate) struct Row {
    pub(crate) user: User,
    pub(crate) hash: String,
    pub(crate) is_blocked: bool,
}

/// What the table holds, and what it was asked.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<u32, Row>,
    /// The names that were looked for.
    pub(crate) names: Vec<String>,
    pub(crate) lookups: usize,
    pub(crate) new_hashes: usize,
    pub(crate) is_down: bool,
    /// It takes no new hash.
    pub(crate) keeps_hashes: bool,
    /// A hash that Ada gets from elsewhere, behind so many questions.
    pub(crate) changes_after: Option<(usize, String)>,
}

impl Table {
    /// A question has its answer, and what happens behind it is not in there.
    fn answered<T>(&mut self, answer: T) -> T {
        match self.changes_after.take() {
            Some((0, hash)) => self.rows.get_mut(&1).unwrap().hash = hash,
            Some((others, hash)) => self.changes_after = Some((others - 1, hash)),
            None => {}
        }
        answer
    }
}

#[derive(Clone, Default)]
pub(crate) struct Users(Arc<Mutex<Table>>);

impl Users {
    /// Ada, whose id is 1.
    pub(crate) async fn ada() -> Self {
        let users = Self::default();
        users.add("ada", &auth::hash(PASSWORD).await.unwrap());
        users
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap()
    }

    pub(crate) fn add(&self, name: &str, hash: &str) -> u32 {
        let mut table = self.table();
        let id = u32::try_from(table.rows.len()).unwrap() + 1;
        let (name, hash) = (name.to_owned(), hash.to_owned());
        let user = User { id, name };
        let is_blocked = false;
        table.rows.insert(
            id,
            Row {
                user,
                hash,
                is_blocked,
            },
        );
        id
    }

    /// `UPDATE users SET hash = …`.
    pub(crate) fn update_hash(&self, id: u32, hash: &str) {
        hash.clone_into(&mut self.table().rows.get_mut(&id).unwrap().hash);
    }

    pub(crate) fn hash_of(&self, id: u32) -> String {
        self.table().rows[&id].hash.clone()
    }

    fn open(&self) -> Result<MutexGuard<'_, Table>> {
        let table = self.table();
        if table.is_down {
            return Err(Error::internal("the table of users is locked"));
        }
        Ok(table)
    }
}

impl Accounts for Users {
    type User = User;

    async fn credentials(&self, name: &str) -> Result<Option<Credentials>> {
        let mut table = self.open()?;
        table.names.push(name.to_owned());
        let row = table.rows.values().find(|row| row.user.name == name);
        let found = row.map(|row| Credentials::new(row.user.id, &row.hash));
        Ok(table.answered(found))
    }

    async fn hash(&self, id: &str) -> Result<Option<String>> {
        let mut table = self.open()?;
        let row = table.rows.get(&id.parse()?);
        let hash = row.map(|row| row.hash.clone());
        Ok(table.answered(hash))
    }

    async fn user(&self, id: &str) -> Result<Option<User>> {
        let mut table = self.open()?;
        table.lookups += 1;
        let row = table.rows.get(&id.parse()?).filter(|row| !row.is_blocked);
        let user = row.map(|row| row.user.clone());
        Ok(table.answered(user))
    }

    async fn set_hash(&self, id: &str, old: &str, new: &str) -> Result<bool> {
        let mut table = self.open()?;
        let keeps = table.keeps_hashes;
        let row = table.rows.get_mut(&id.parse()?);
        let row = row.filter(|row| row.hash == old && !keeps);
        let is_old = row.is_some();
        if let Some(row) = row {
            new.clone_into(&mut row.hash);
            table.new_hashes += 1;
        }
        Ok(table.answered(is_old))
    }

    async fn add(&self, name: &str, hash: &str) -> Result<Option<String>> {
        let is_taken = self.open()?.rows.values().any(|row| row.user.name == name);
        Ok((!is_taken).then(|| Self::add(self, name, hash).to_string()))
    }
}

pub(crate) fn settings() -> Settings {
    Settings::default()
        .with(
            "SECRET_KEY",
            "a key for tests of more than thirty-two bytes",
        )
        .with("SESSION_STORAGE", "InMemoryCache")
}

/// Sessions and logins for these users, and no page.
pub(crate) fn bare(settings: Settings, users: &Users) -> App {
    let users = users.clone();
    App::new(settings)
        .with(SessionMiddleware::new())
        .with(Auth::new(move |_| Ok(users)))
}

/// The same with the [`pages`].
pub(crate) fn site(settings: Settings, users: &Users) -> App {
    bare(settings, users).urls(pages())
}

pub(crate) async fn visit(users: &Users) -> TestClient {
    TestClient::start(site(settings(), users)).await
}

pub(crate) fn pages() -> [UrlPattern; 10] {
    [
        path("/", home).name("home"),
        path("/login", log_in).name("login").methods([GET, POST]),
        path("/logout", log_out).methods([POST]),
        path("/leave", auth::logout_view()),
        path("/password", new_password).methods([POST]),
        path("/sign-up/<id>", sign_up).methods([POST]),
        path("/account", account).middleware(login_required),
        path("/on", on).methods([GET, POST]),
        path("/set/<key>/<value>", set),
        path("/get/<key>", get),
    ]
}

async fn home(request: Request) -> Result<String> {
    let user: Option<User> = request.user().await?;
    Ok(user.map_or_else(|| "nobody".to_owned(), |user| user.name))
}

async fn log_in(request: Request) -> Result<Response> {
    if request.method() == GET {
        return Ok(text("log in"));
    }
    let fields: BTreeMap<String, String> = request.form_as().await?;
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    match auth::login(&request, field("name"), field("password")).await? {
        Ok(()) => auth::redirect_next(&request, "home").await,
        Err(refused) => Ok(text(refused.to_string()).with_status(StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

async fn log_out(request: Request) -> Result<Response> {
    auth::logout(&request).await?;
    redirect(&request, "home", ())
}

async fn new_password(request: Request) -> Result<Response> {
    let fields: BTreeMap<String, String> = request.form_as().await?;
    match auth::change_password(&request, &fields["old"], &fields["new"]).await? {
        Ok(()) => redirect(&request, "home", ()),
        Err(refused) => Ok(text(refused.to_string()).with_status(StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

async fn sign_up(request: Request, id: u32) -> Result<Response> {
    auth::login_as(&request, id).await?;
    redirect(&request, "home", ())
}

async fn account(request: Request) -> Result<String> {
    let user: User = request.user().await?.or_500("a user is logged in here")?;
    Ok(format!("the account of {}", user.name))
}

async fn on(request: Request) -> Result<Response> {
    auth::redirect_next(&request, "home").await
}

async fn set(request: Request, key: String, value: String) -> Result<&'static str> {
    request.session.set(&key, &value).await?;
    Ok("set")
}

async fn get(request: Request, key: String) -> Result<String> {
    let value: Option<String> = request.session.get(&key).await?;
    Ok(value.unwrap_or_else(|| "nothing".to_owned()))
}

/// Sends the login form.
pub(crate) async fn log_in_as(client: &TestClient, name: &str, password: &str) -> TestResponse {
    client
        .post("/login")
        .form(&[("name", name), ("password", password)])
        .await
}

/// The same for Ada, who gets in.
pub(crate) async fn log_in_ada(client: &TestClient) {
    let response = log_in_as(client, "ada", PASSWORD).await;
    assert_eq!(response.status(), 303, "{response:?}");
}

/// Who is logged in, as the home page has it.
pub(crate) async fn who(client: &TestClient) -> String {
    let response = client.get("/").await;
    assert_eq!(response.status(), 200, "{response:?}");
    response.text().to_owned()
}

pub(crate) fn cookie(client: &TestClient) -> Option<String> {
    client.cookie("session_id")
}
