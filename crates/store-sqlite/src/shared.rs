//! The projects of a data folder, as all threads know them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use domain::names::ProjectCode;

use crate::project::Project;

/// All projects by folded code.
pub(crate) struct Projects {
    /// Where their files lie.
    pub(crate) folder: PathBuf,
    by_code: RwLock<HashMap<String, Arc<Project>>>,
}

impl Projects {
    pub(crate) fn new(folder: PathBuf, codes: Vec<ProjectCode>) -> Self {
        let by_code =
            codes.into_iter().map(|code| (code.folded(), Arc::new(Project::new(code, &folder)))).collect();
        Projects { by_code: RwLock::new(by_code), folder }
    }

    pub(crate) fn find(&self, code: &ProjectCode) -> Option<Arc<Project>> {
        self.by_code.read().unwrap_or_else(PoisonError::into_inner).get(&code.folded()).cloned()
    }

    pub(crate) fn add(&self, project: Arc<Project>) {
        let folded = project.code.folded();
        self.by_code.write().unwrap_or_else(PoisonError::into_inner).insert(folded, project);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Project>> {
        self.by_code.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
