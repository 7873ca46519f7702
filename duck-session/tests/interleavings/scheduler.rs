//! Lets actors go on one step at a time, in every order there is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

tokio::task_local! {
    /// Which actor a task is.
    static ACTOR: usize;
}

/// The actor that runs this; `None` for the test itself.
pub(crate) fn actor() -> Option<usize> {
    ACTOR.try_get().ok()
}

/// How much happens at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// An operation, and all that its answer leads to.
    Whole,
    /// An operation; the answer is heard with another step.
    Half,
}

/// Those who wait for their next step.
#[derive(Clone)]
pub(crate) struct Scheduler {
    steps: Steps,
    waiting: Arc<Mutex<BTreeMap<usize, oneshot::Sender<()>>>>,
}

impl Scheduler {
    pub(crate) fn new(steps: Steps) -> Self {
        let waiting = Arc::default();
        Self { steps, waiting }
    }

    /// The step between an operation and its answer.
    pub(crate) async fn half_step(&self) {
        if self.steps == Steps::Half {
            self.step().await;
        }
    }

    /// An actor waits here until it is let go on. The test itself does not wait.
    pub(crate) async fn step(&self) {
        let Some(actor) = actor() else { return };
        let (grant, granted) = oneshot::channel();
        let before = self.waiting.lock().unwrap().insert(actor, grant);
        assert!(before.is_none(), "an actor does one thing at a time");
        granted.await.unwrap();
    }

    /// Runs actors to their end, letting them go on in this order, and then whoever is first.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        actors: impl IntoIterator<Item: Future<Output = T> + Send + 'static>,
        order: &mut Order,
    ) -> Vec<T> {
        let tasks: Vec<_> = actors
            .into_iter()
            .enumerate()
            .map(|(index, actor)| tokio::spawn(ACTOR.scope(index, actor)))
            .collect();
        loop {
            // The clock is one that moves when there is nothing else left to do: now all who can
            // run have run.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut waiting = self.waiting.lock().unwrap();
            if waiting.is_empty() {
                break;
            }
            let chosen = order.choose(waiting.len());
            let actor = *waiting.keys().nth(chosen).unwrap();
            waiting.remove(&actor).unwrap().send(()).unwrap();
        }
        let mut ends = Vec::new();
        for task in tasks {
            assert!(task.is_finished(), "an actor waits for what never comes");
            ends.push(task.await.unwrap());
        }
        ends
    }
}

/// An order of steps: which of those who wait goes on, each time there is a choice.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// The choice that is made, and of how many.
    choices: Vec<(usize, usize)>,
    made: usize,
}

impl Order {
    fn choose(&mut self, of: usize) -> usize {
        if self.made == self.choices.len() {
            self.choices.push((0, of));
        }
        let (choice, known) = self.choices[self.made];
        assert_eq!(known, of, "the same steps lead to the same place");
        self.made += 1;
        choice
    }

    /// The next order; `None` when all there are were run.
    pub(crate) fn next(mut self) -> Option<Self> {
        assert_eq!(self.made, self.choices.len());
        while let Some((choice, of)) = self.choices.pop() {
            if choice + 1 < of {
                self.choices.push((choice + 1, of));
                return Some(Self {
                    made: 0,
                    choices: self.choices,
                });
            }
        }
        None
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut steps = self.choices.iter().filter(|(_, of)| *of > 1);
        steps.try_for_each(|(choice, _)| write!(f, "{choice}"))
    }
}
