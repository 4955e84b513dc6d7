//! Who calls, and what they may do.

use std::sync::Arc;

use domain::catalogue::Entity;
use domain::names::{Company, ProjectCode};
use domain::plan::Permits;

use crate::Error;
use crate::project::Project;

/// Somebody who proved who they are.
#[derive(Clone)]
pub struct Caller {
    /// The project, as it was when the call began.
    pub(crate) project: Arc<Project>,
    /// Name of the login.
    pub login: Arc<str>,
    /// What the login may do.
    pub rights: Arc<Rights>,
    /// The company in which it works.
    pub company: Company,
    /// Code of the unit it acts for.
    pub unit: Option<Arc<str>>,
    /// Code of its `user` record.
    pub user: Option<Arc<str>>,
    /// Id of the token or key it came with; empty for the command line.
    pub token: Arc<str>,
}

impl Caller {
    /// Code of the project.
    pub fn project(&self) -> &ProjectCode {
        &self.project.code
    }

    /// The project as this process knows it: settings, catalogue, zone.
    pub fn project_state(&self) -> Arc<Project> {
        self.project.clone()
    }

    /// The same caller working in another company.
    pub fn in_company(&self, company: Company) -> Self {
        Caller { company, ..self.clone() }
    }

    /// How the journal names the caller: `login:erp-sync`.
    pub fn source(&self) -> String {
        format!("login:{}", self.login)
    }

    /// True when the caller may read records of an entity: by right, and by the entity's switch.
    pub fn may_read(&self, entity: &str) -> bool {
        let open = self.project.catalogue().find(entity).is_none_or(|entity| entity.access.read);
        open && self.rights.has("read", entity)
    }

    /// Fails unless the caller has a right such as `read:customer` or `manage:logins`.
    pub fn require(&self, verb: &str, thing: &str) -> Result<(), Error> {
        if self.rights.has(verb, thing) {
            Ok(())
        } else {
            Err(Error::Forbidden { right: format!("{verb}:{thing}") })
        }
    }
}

/// A set of rights: `read|insert|update|delete:entity`, `manage:thing`, `*` for all of either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(Vec<(Box<str>, Box<str>)>);

impl Rights {
    /// The rights of a role: `admin`, `integrator` or `reader`.
    pub fn of_role(role: &str) -> Option<Self> {
        let texts: &[&str] = match role {
            "admin" => &["*:*"],
            "integrator" => &["read:*", "insert:*", "update:*", "delete:*"],
            "reader" => &["read:*"],
            _ => return None,
        };
        Self::parse(texts.iter().copied()).ok()
    }

    /// Reads rights; the error names the text that is none.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        let mut rights = Vec::new();
        for text in texts {
            match text.split_once(':') {
                Some((verb, thing))
                    if matches!(verb, "read" | "insert" | "update" | "delete" | "manage" | "*")
                        && !thing.is_empty() =>
                {
                    rights.push((verb.into(), thing.into()));
                }
                _ => return Err(text.to_owned()),
            }
        }
        Ok(Rights(rights))
    }

    /// Both sets together.
    pub fn and(mut self, other: Rights) -> Self {
        self.0.extend(other.0);
        self
    }

    /// True when the set has a right.
    pub fn has(&self, verb: &str, thing: &str) -> bool {
        self.0.iter().any(|(v, t)| (**v == *verb || **v == *"*") && (**t == *thing || **t == *"*"))
    }
}

/// Rights of a login and access switches of entities together.
pub(crate) struct Permitted(pub(crate) Arc<Rights>);

impl Permits for Permitted {
    fn insert(&self, entity: &Entity) -> bool {
        entity.access.insert && self.0.has("insert", &entity.name)
    }

    fn update(&self, entity: &Entity) -> bool {
        entity.access.update && self.0.has("update", &entity.name)
    }

    fn delete(&self, entity: &Entity) -> bool {
        entity.access.update && self.0.has("delete", &entity.name)
    }
}
