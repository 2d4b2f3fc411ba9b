//! The users of the store, changed under the rules of the configuration.

use std::collections::BTreeMap;
use std::time::SystemTime;

use ringback_control::Features;

use super::protocol::{Listed, Refusal, Reply, Request};
use super::setting::Setting;
use crate::config::Config;
use crate::first_start::{Account, unix_milliseconds};
use crate::secret::Secret;
use crate::store::{Credentials, OpenError, Store, StoreError, UserRow};

/// What carries out requests, by a connection to the store of its own.
#[derive(Debug)]
pub struct Directory {
    store: Store,
    realm: String,
    /// The users of the configuration with their display names.
    configured: BTreeMap<String, String>,
    /// Their pickup groups.
    groups: BTreeMap<String, Option<String>>,
}

impl Directory {
    /// The users of `store` under the rules of `config`.
    pub fn new(store: &Store, config: &Config) -> Result<Self, OpenError> {
        let configured =
            config.users.iter().map(|user| (user.name.to_string(), user.display.clone())).collect();
        let groups = config.users.iter().map(|user| (user.name.to_string(), user.group())).collect();
        Ok(Directory { store: store.reopen()?, realm: config.realm().to_owned(), configured, groups })
    }

    /// Carries out a request. A change comes with the reply, for the part of the server that checks passwords.
    pub fn handle(&mut self, request: Request) -> (Reply, Option<AccountChange>) {
        let outcome = match request {
            Request::Add { name, display, password } => {
                self.add(name.as_str(), display, &password).map(changed)
            }
            Request::Passwd { name, password } => self.passwd(&name, &password).map(changed),
            Request::Remove { name } => self.remove(name).map(changed),
            Request::Set { name, settings } => self.set(name, settings).map(changed),
            Request::Show { name } => {
                self.features(&name).map(|features| (Reply::Features { features: features.into() }, None))
            }
            Request::List => self.list().map(|users| (Reply::Users { users }, None)),
        };
        outcome.unwrap_or_else(|refusal| (Reply::Refused { refusal }, None))
    }

    fn add(&mut self, name: &str, display: String, password: &Secret) -> Result<AccountChange, Refusal> {
        self.refuse_configured(name)?;
        if self.store.user(name)?.is_some() {
            return Err(Refusal::Exists(name.to_owned()));
        }
        let created = unix_milliseconds(SystemTime::now());
        self.put(UserRow {
            name: name.to_owned(),
            credentials: self.derive(name, password),
            display,
            created,
        })
    }

    fn passwd(&mut self, name: &str, password: &Secret) -> Result<AccountChange, Refusal> {
        self.refuse_configured(name)?;
        let Some(mut row) = self.store.user(name)? else { return Err(Refusal::Unknown(name.to_owned())) };
        row.credentials = self.derive(name, password);
        self.put(row)
    }

    fn put(&mut self, row: UserRow) -> Result<AccountChange, Refusal> {
        self.store.put_user(&row)?;
        let UserRow { name, credentials, display, .. } = row;
        Ok(AccountChange::Put(Account { name, credentials, display, from_configuration: false }))
    }

    fn remove(&mut self, name: String) -> Result<AccountChange, Refusal> {
        self.refuse_configured(&name)?;
        match self.store.remove_user(&name)? {
            true => Ok(AccountChange::Removed { name }),
            false => Err(Refusal::Unknown(name)),
        }
    }

    fn set(&mut self, name: String, settings: Vec<Setting>) -> Result<AccountChange, Refusal> {
        let mut features = self.features(&name)?;
        for setting in settings {
            if matches!(setting, Setting::Group(_)) && self.groups.contains_key(&name) {
                return Err(Refusal::GroupFromConfiguration(name));
            }
            setting.apply(&mut features)?;
        }
        let mut kept = features.clone();
        if self.groups.contains_key(&name) {
            // A group of the configuration is over with its entry there.
            kept.group = self.store.features(&name)?.group;
        }
        self.store.put_features(&name, &kept)?;
        Ok(AccountChange::Features { name, features: Box::new(features) })
    }

    /// What a user has set, the group of the configuration over that of the store.
    fn features(&self, name: &str) -> Result<Features, Refusal> {
        let group = self.groups.get(name);
        if group.is_none() && self.store.user(name)?.is_none() {
            return Err(Refusal::Unknown(name.to_owned()));
        }
        let mut features = self.store.features(name)?;
        if let Some(group) = group {
            features.group.clone_from(group);
        }
        Ok(features)
    }

    fn list(&self) -> Result<Vec<Listed>, Refusal> {
        let mut listed = BTreeMap::new();
        for row in self.store.users()? {
            let (name, display, realm) = (row.name, row.display, row.credentials.realm);
            listed.insert(name.clone(), Listed { name, display, realm, from_configuration: false });
        }
        for (name, display) in &self.configured {
            let (name, display, realm) = (name.clone(), display.clone(), self.realm.clone());
            listed.insert(name.clone(), Listed { name, display, realm, from_configuration: true });
        }
        Ok(listed.into_values().collect())
    }

    fn derive(&self, name: &str, password: &Secret) -> Credentials {
        Credentials::derive(name, &self.realm, password)
    }

    fn refuse_configured(&self, name: &str) -> Result<(), Refusal> {
        match self.configured.contains_key(name) {
            true => Err(Refusal::FromConfiguration(name.to_owned())),
            false => Ok(()),
        }
    }
}

/// What a request changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChange {
    /// The account is new, or has a new password.
    Put(Account),
    /// The user has set something about its calls.
    Features {
        /// Its name.
        name: String,
        /// All that is set.
        features: Box<Features>,
    },
    /// The account is gone, and its bindings have to follow.
    Removed {
        /// Its name.
        name: String,
    },
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error.to_string())
    }
}

fn changed(change: AccountChange) -> (Reply, Option<AccountChange>) {
    (Reply::Done, Some(change))
}
