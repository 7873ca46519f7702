//! All tasks of a site, of however many components.

use std::sync::{Arc, Mutex, PoisonError};

use super::plan::Plan;
use crate::error::{Error, Result};

#[derive(Clone, Default)]
pub(super) struct Plans(Arc<Mutex<Vec<Arc<Plan>>>>);

impl Plans {
    pub(super) fn add(&self, plan: &Arc<Plan>) -> Result<()> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.iter().any(|other| other.name == plan.name) {
            let name = &plan.name;
            return Err(Error::internal(format!(
                "two tasks are named {name:?}: give one of them another name"
            )));
        }
        plans.push(plan.clone());
        Ok(())
    }

    #[cfg(feature = "cli")]
    pub(super) fn all(&self) -> Vec<Arc<Plan>> {
        let plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.clone()
    }
}
