//! Who may log in: the owner of the site. The name and the hash of the password are settings.
//!
//! A site with more users has a table of them: see the guide's page about logins.

use duck::ExitCode;
use duck::auth::{self, Accounts, Credentials};
use duck::prelude::*;
use serde::Serialize;

/// A user, as views and templates see one.
#[derive(Clone, Serialize)]
pub struct User {
    pub name: String,
}

/// The one who may log in; nobody, while there is no hash.
#[derive(Clone)]
pub struct Owner {
    name: String,
    hash: Option<String>,
}

/// Takes the owner from the settings, and adds the command that makes a password.
pub async fn accounts(setup: &mut Setup<'_>) -> Result<()> {
    let name: Option<String> = setup.settings().get("OWNER_NAME")?;
    let hash: Option<String> = setup.settings().get("OWNER_PASSWORD_HASH")?;
    let has_password = hash.is_some();
    setup.template_function("owner_has_password", move || has_password);
    setup.command("password", "Make a password for the owner", |_| async {
        let password = Uuid::new_v4().simple().to_string();
        let hash = auth::hash(&password).await?;
        eprintln!("The password is {password}. It is not kept anywhere: write it down.");
        println!("DUCK_OWNER_PASSWORD_HASH={hash}");
        Ok(ExitCode::SUCCESS)
    });
    setup.insert(Owner {
        name: name.unwrap_or_else(|| "owner".to_owned()),
        hash,
    });
    Ok(())
}

impl Accounts for Owner {
    type User = User;

    async fn credentials(&self, name: &str) -> Result<Option<Credentials>> {
        let hash = self.hash(name).await?;
        Ok(hash.map(|hash| Credentials::new(&self.name, hash)))
    }

    async fn hash(&self, id: &str) -> Result<Option<String>> {
        Ok(self.hash.clone().filter(|_| id == self.name))
    }

    async fn user(&self, id: &str) -> Result<Option<User>> {
        let name = self.name.clone();
        Ok((id == self.name).then_some(User { name }))
    }

    async fn set_hash(&self, _id: &str, _old: &str, _new: &str) -> Result<bool> {
        Ok(false) // it is a setting: `duck password` makes another
    }
}
