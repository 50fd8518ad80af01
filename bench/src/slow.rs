//! Active clients, alone and beside slow ones: what the slow cost them.
//!
//! Alone, beside, alone: each phase beside a crowd is compared with the mean of the two that are its
//! neighbours, so that a machine that becomes busy between two runs does not decide.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::crowd::{Crowd, Slowness, Told};
use crate::engine::run;
use crate::plan::{Amount, Plan};

/// How long an active client waits: a ratio says how much longer it had to, and a failure that it was forgotten.
const PATIENCE: Duration = Duration::from_secs(20);

/// What each active client asks in a look: however busy the machine is, it says whether they are served.
const A_FEW: Amount = Amount::RequestsPerConnection(500);

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct SlowPlan {
    /// The server.
    pub address: SocketAddr,
    /// Active keep-alive clients.
    pub active: usize,
    /// Slow clients beside them.
    pub slow: usize,
    /// How long each phase is, if it is not brief.
    pub time: Duration,
    /// What the active and the slow senders ask for.
    pub path: String,
    /// What the slow readers ask for.
    pub large: String,
    /// Slow senders have a tenth to send, and the active some requests each: for a look rather than a figure.
    pub brief: bool,
}

/// One crowd, and what it cost.
#[derive(Debug, Clone)]
pub struct Beside {
    /// In what they were slow.
    pub slowness: Slowness,
    /// Requests per second of the active clients alone: before and after.
    pub alone: [f64; 2],
    /// The same beside the crowd.
    pub rate: f64,
    /// Requests of the active clients that failed in the three phases.
    pub failures: usize,
    /// What became of the slow.
    pub told: Told,
}

impl Beside {
    /// What is left of the throughput: 1 is all of it.
    pub fn ratio(&self) -> f64 {
        2.0 * self.rate / (self.alone[0] + self.alone[1])
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slowness, alone: [before, after], rate, failures, told } = self;
        write!(
            f,
            "{slowness:<10?} alone {before:.0} and {after:.0}, beside {rate:.0} requests/s: ratio {:.3}, \
             {failures} failed; slow: {} answered, {} KiB read",
            self.ratio(),
            told.answered,
            told.read / 1024
        )?;
        told.failed.iter().try_for_each(|(what, count)| write!(f, ", {count} x {what}"))
    }
}

/// Measures beside one crowd. `amid` is called while the crowd is under way, after it was measured.
///
/// # Errors
///
/// If sockets are refused, or the crowd does not get under way.
pub fn beside(
    plan: &SlowPlan,
    slowness: Slowness,
    amid: &mut dyn FnMut(Slowness),
) -> anyhow::Result<Beside> {
    let mut active = Plan::keepalive(plan.address, plan.active);
    active.amount = if plan.brief { A_FEW } else { Amount::Time(plan.time) };
    active.path.clone_from(&plan.path);
    active.patience = PATIENCE;
    let before = run(&active)?;
    let path = if slowness == Slowness::Readers { &plan.large } else { &plan.path };
    let crowd = Crowd::start(plan.address, slowness, plan.slow, path, plan.brief)?;
    let amidst = run(&active)?;
    amid(slowness);
    let told = crowd.finish()?;
    let after = run(&active)?;
    Ok(Beside {
        slowness,
        alone: [before.rate(), after.rate()],
        rate: amidst.rate(),
        failures: [&before, &amidst, &after].iter().map(|report| report.kept.failures).sum(),
        told,
    })
}
