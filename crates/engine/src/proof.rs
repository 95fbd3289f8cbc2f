//! Proof: a process hands out nothing before it has seen that its ledger is the one that knows, and says so when it stops.
//!
//! A ledger that was restored in its own place, to a moment after the newest mark, shows that nowhere but on Neon: by the projects that it takes to be
//! unclaimed. So a start looks at each of them before it is handed out, unless another process goes on with this ledger, or the last one has stopped in order.

use std::{future::Future, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    Duty, Engine, Inner, Report,
    mark::{CALL_DEADLINE, Seen, foreign},
    owner_tag::{Tag, read_name},
    setback::Setback,
};
use ledger::{By, Doubtful, Installation, Ledger, LedgerError, ProofState, ShownName};
use neon_client::{Class, NeonError, Project};

/// How often a proof is exchanged: a ledger that is put in the place of this one lacks it.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long a start waits for another process to exchange its proof.
const VOUCH_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Unclaimed databases that are looked at at a time, one call each.
const LOOKS_AT_ONCE: i64 = 16;
/// How long stopping waits for Neon to take the last mark.
const LAST_MARK_TIMEOUT: Duration = Duration::from_millis(700);

impl Engine {
    /// Says that this process hands out nothing any more; to be called when the server has stopped, and [`Engine::stop`] has returned. The last process also
    /// tells Neon, if it answers soon: a ledger that is restored to a moment before is noticed for certain then.
    pub async fn sign_off(&self) {
        if let Err(error) = self.inner.sign_off().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "could not write down that this process stops; the next start looks at the pool on Neon"
            );
        }
    }
}

impl Inner {
    async fn sign_off(&self) -> Result<(), LedgerError> {
        let signed_off = self.stop_handing_out().await;
        // It could open what others seal until here.
        self.ledger.unregister_keys(self.replica).await?;
        signed_off
    }

    async fn stop_handing_out(&self) -> Result<(), LedgerError> {
        if !self.ledger.give_up_proof().await? {
            return Ok(());
        }
        if !self.neon_is_failing() {
            match timeout(LAST_MARK_TIMEOUT, self.renew_mark()).await {
                Ok(Err(Setback::Ledger(error))) => return Err(error),
                Ok(Ok(_)) => {}
                Ok(Err(Setback::Neon(_))) | Err(_) => tracing::info!("Neon did not take the last mark in time"),
            }
        }
        self.ledger.record_stop().await
    }

    /// Exchanges the proof. `false` when there is none to go on with.
    pub(super) async fn is_proven(&self) -> Result<bool, LedgerError> {
        let state = self.ledger.renew_proof().await?;
        if state == ProofState::Lost {
            self.notice("The ledger lacks what this process has committed to it: another one was put in its place.")
                .await?;
        }
        Ok(state == ProofState::Held)
    }

    /// Others rely on a proof that is fresh, so its exchange does not wait for Neon.
    pub(super) async fn while_proven(
        &self,
        work: impl Future<Output = Result<Report, Setback>>,
    ) -> Result<Report, Setback> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = sleep(RENEW_EVERY) => {
                    if !self.is_proven().await? {
                        return Ok(Report { more_is_due: true, ..Report::idle() });
                    }
                }
            }
        }
    }

    /// Is the ledger the one that knows? A process that has seen so and goes on is believed; else Neon is asked, and has a new mark before anything is
    /// handed out, so that whatever copy there is of this ledger is an old one from now on.
    pub(super) async fn prove(&self) -> Result<Report, Setback> {
        if !is_vouched_for(&self.ledger).await? {
            self.ask_neon().await?;
        }
        self.ledger.grant_proof(self.replica).await?;
        self.nudge(Duty::Mark);
        Ok(Report::done("proven", 1))
    }

    async fn ask_neon(&self) -> Result<(), Setback> {
        let installation = self.ledger.installation().await?;
        let marks = self.marks(Class::Support);
        let mark = match marks.look(&installation).await? {
            // The next renewal answers it with a mark of ours.
            Seen::Foreign(mark) => return Ok(self.notice(&foreign(&mark)).await?),
            Seen::Nothing if installation.was_marked => {
                let why =
                    "Neon no longer has the mark of this ledger: whether the ledger is the newest cannot be seen.";
                return Ok(self.notice(why).await?);
            }
            Seen::Nothing if !self.ledger.has_databases().await? => return Ok(()),
            Seen::Nothing => {
                self.look_for_successor(&marks.neon, &installation).await?;
                None
            }
            Seen::Ours(mark) => {
                self.judge_start(&installation).await?;
                Some(mark)
            }
        };
        if !installation.is_stopped {
            self.ledger.doubt_available().await?;
        }
        marks.write(&installation, mark).await?;
        Ok(())
    }

    /// What a start means whose mark is known.
    async fn judge_start(&self, installation: &Installation) -> Result<(), LedgerError> {
        if !installation.is_stopped && installation.unconfirmed_seconds > self.settle_seconds() {
            let why = format!(
                "Flotilla did not stop in order, and Neon had taken no mark for {:.0} seconds by then: what was claimed in that time may have left no sign.",
                installation.unconfirmed_seconds
            );
            return self.notice(&why).await;
        }
        if !installation.is_stopped && !installation.is_same_incarnation {
            let why = "Flotilla did not stop in order, and its ledger has been restored, moved or failed over since: what was claimed last before that may be missing, and may have left no sign on Neon.";
            return self.notice(why).await;
        }
        match installation.is_in_its_place {
            true => Ok(()),
            false => self.ledger.wait_after_move(self.settle_seconds()).await,
        }
    }

    /// Looks on Neon at what a start has doubted. Answers how many were looked at.
    pub(super) async fn look_at_doubtful(&self) -> Result<u64, Setback> {
        let limit = if self.neon_is_failing() { 1 } else { LOOKS_AT_ONCE };
        let neon = self.neon.with_class(Class::WaitingClaim).with_deadline(CALL_DEADLINE);
        let mut looks = JoinSet::new();
        for row in self.ledger.doubtful(limit).await? {
            let neon = neon.clone();
            looks.spawn(async move { (neon.get_project(&row.project_id).await, row) });
        }
        let (mut unclaimed, mut looked, mut failure) = (Vec::new(), 0, None);
        while let Some(joined) = looks.join_next().await {
            match joined {
                Ok((Ok(project), row)) => unclaimed.push((row, project)),
                Ok((Err(NeonError::NotFound { .. }), row)) => {
                    self.set_aside(&row, "Neon does not know its project.").await?
                }
                Ok((Err(error @ NeonError::Unreadable { .. }), row)) => {
                    self.set_aside(&row, &error.to_string()).await?
                }
                Ok((Err(error), _)) => {
                    failure = Some(error);
                    continue;
                }
                Err(_) => continue,
            }
            looked += 1;
        }
        self.trust_unclaimed(&unclaimed).await?;
        match failure {
            Some(error) if looked == 0 => Err(error.into()),
            _ => Ok(looked),
        }
    }

    async fn trust_unclaimed(&self, looked_at: &[(Doubtful, Project)]) -> Result<(), LedgerError> {
        if looked_at.is_empty() {
            return Ok(());
        }
        let says_owner = |name: &str| read_name(&self.secrets, name).is_some_and(|(.., tag)| tag != Tag::Nobody);
        for (row, project) in looked_at.iter().filter(|(_, project)| says_owner(&project.name)) {
            let why = format!(
                "This ledger has {} as unclaimed, and the name of its project {} on Neon says that somebody holds it.",
                row.project_name, project.id
            );
            // Else another process has trusted it meanwhile, and handed it out.
            if self.ledger.withhold(row.id, &why, &by()).await? {
                return self.notice(&why).await;
            }
        }
        let shown: Vec<ShownName> = looked_at
            .iter()
            .map(|(_, project)| ShownName {
                project_id: project.id.clone(),
                name: project.name.clone(),
                last_active_at: project.last_active_at,
            })
            .collect();
        let ids: Vec<_> = looked_at.iter().map(|(row, _)| row.id).collect();
        self.ledger.withhold_used(&shown, self.settings.findings.own_activity, &by()).await?;
        self.ledger.trust(&ids).await?;
        self.nudge(Duty::Provision);
        self.nudge(Duty::Refill);
        Ok(())
    }

    async fn set_aside(&self, row: &Doubtful, why: &str) -> Result<(), LedgerError> {
        if self.ledger.withhold(row.id, why, &by()).await? {
            tracing::warn!(database.id = %row.id, why, "an unclaimed database cannot be looked at; it is withheld");
        }
        Ok(())
    }
}

/// Whether a process exchanges its proof in this very ledger; another one, where this process has none.
pub(super) async fn is_vouched_for(ledger: &Ledger) -> Result<bool, LedgerError> {
    let (before, give_up_at) = (ledger.signs_of_life().await?, Instant::now() + VOUCH_TIMEOUT);
    while !before.is_over && Instant::now() < give_up_at {
        sleep(VOUCH_TIMEOUT / 15).await;
        if ledger.signs_of_life().await?.last > Some(before.now) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn by() -> By {
    By::duty(Duty::Mark.name())
}
