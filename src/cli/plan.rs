//! `flotilla plan`: what owners are given.

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};

use crate::{
    config::Config,
    output,
    start::{OlderLedger, OpenLedger},
};
use fleet_types::{AppError, Effect, Plan, PlanChange, PlanTerms, QuotaChange, TermChange, duration, limit_text, text};
use ledger::{By, Ledger, PlanIntent};

#[derive(Subcommand)]
pub enum Command {
    /// List the plans
    List,
    /// Show a plan with its versions
    Show { name: String },
    /// Make a plan; claims and pools can use it at once
    Create {
        /// Lower-case letters, digits and hyphens, 32 at most
        name: String,
        #[command(flatten)]
        terms: Box<Terms>,
    },
    /// Change a plan; a running engine takes the change to the databases of the owners who have it
    Change {
        name: String,
        #[command(flatten)]
        terms: Box<Terms>,
        /// Only say what it would do
        #[arg(long)]
        dry_run: bool,
        /// Although it blocks databases at once
        #[arg(long)]
        anyway: bool,
        /// The version that you have read; refused if the plan was changed since
        #[arg(long, value_name = "VERSION")]
        revision: Option<i32>,
    },
    /// Delete a plan that nobody uses
    Delete { name: String },
    /// Watch, stop and resume how a changed plan is taken to its databases
    #[command(subcommand)]
    RollOut(RollOutCommand),
}

#[derive(Subcommand)]
pub enum RollOutCommand {
    /// How far it has come
    Show { name: String },
    /// Bring no further database to the changed plan
    Stop {
        name: String,
        /// Why, for the history
        #[arg(long)]
        reason: Option<String>,
    },
    /// Go on
    Resume {
        name: String,
        /// Why, for the history
        #[arg(long)]
        reason: Option<String>,
    },
}

/// A new plan has no limit that is left out; a changed one keeps it.
#[derive(Args)]
pub struct Terms {
    /// For people
    #[arg(long)]
    label: Option<String>,
    /// What a database may hold, as "512 MiB"; "unlimited" for no limit, here and below
    #[arg(long, value_name = "SIZE")]
    storage: Option<String>,
    /// Hours that the compute may be active in a billing period
    #[arg(long, value_name = "HOURS")]
    active_hours: Option<String>,
    /// CU hours in a billing period
    #[arg(long, value_name = "HOURS")]
    compute_hours: Option<String>,
    /// Data written in a billing period
    #[arg(long, value_name = "SIZE")]
    written: Option<String>,
    /// Data sent out in a billing period
    #[arg(long, value_name = "SIZE")]
    transfer: Option<String>,
    /// Smallest compute in CU, as 0.25; "none" for what the pool's template says
    #[arg(long, value_name = "CU")]
    min_cu: Option<String>,
    /// Largest compute in CU
    #[arg(long, value_name = "CU")]
    max_cu: Option<String>,
    /// Seconds without a connection after which the compute stops: 60 to 604800, 0 for Neon's default, -1 for never; "none" for what the pool's template says
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    suspend_timeout: Option<String>,
    /// Seconds that Neon can restore back, 2592000 at most; "none" leaves it to Neon
    #[arg(long, value_name = "SECONDS")]
    history_retention: Option<String>,
    /// To how many per cent of the plan's a quota may be raised for a day, 101 to 1000; "none" for no relief
    #[arg(long, value_name = "PERCENT")]
    relief_percent: Option<String>,
    /// Why, for the history
    #[arg(long)]
    reason: Option<String>,
}

pub async fn run(config: &Config, command: Command) -> Result<()> {
    let open = OpenLedger::open(config, OlderLedger::Refuse).await?;
    let outcome = carry_out(&open.ledger, command).await;
    open.close().await?;
    outcome
}

async fn carry_out(ledger: &Ledger, command: Command) -> Result<()> {
    match command {
        Command::List => list(&ledger.plans().await?),
        Command::Show { name } => show(ledger, &name).await,
        Command::Create { name, terms } => {
            let change = terms.change()?;
            let label = change.label.clone().unwrap_or_else(|| name.clone());
            let wanted = PlanTerms { label, ..change.applied_to(&PlanTerms::default()) };
            ledger.create_plan(&name, &wanted, &because(terms.reason)?).await?;
            Ok(output::remark(&format!("The plan {name} is made."))?)
        }
        Command::Change { name, terms, dry_run, anyway, revision } => {
            let intent = PlanIntent { read_at: revision, dry_run, anyway };
            change(ledger, &name, *terms, intent).await
        }
        Command::Delete { name } => {
            ledger.delete_plan(&name, &By::cli()).await?;
            Ok(output::remark(&format!("The plan {name} is deleted."))?)
        }
        Command::RollOut(command) => roll_out(ledger, command).await,
    }
}

fn list(plans: &[Plan]) -> Result<()> {
    let head = ["plan", "version", "storage", "compute", "roll-out"].map(str::to_owned);
    let rows = plans.iter().map(|plan| {
        let [storage, _, compute_time, ..] = plan.terms.quota.limits().map(|(name, limit)| limit_text(name, limit));
        [plan.name.clone(), plan.version.to_string(), storage, compute_time, roll_out_in_words(plan)]
    });
    Ok(output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())?)
}

async fn show(ledger: &Ledger, name: &str) -> Result<()> {
    let detail = ledger.plan(name).await?;
    let plan = detail.plan;
    output::result(&format!(
        "{} ({}), version {}: {} databases of {} owners",
        plan.name,
        text::visible(&plan.terms.label),
        plan.version,
        detail.databases,
        detail.owners
    ))?;
    let terms = PlanTerms::default().differences(&plan.terms);
    for TermChange { field, after, .. } in terms.into_iter().filter(|change| change.field != "label") {
        output::result(&format!("  {}: {}", field.replace('_', " "), in_words(&field, &after)))?;
    }
    output::result(&format!(
        "  pools: {}",
        if plan.pools.is_empty() { String::from("–") } else { plan.pools.join(", ") }
    ))?;
    output::result(&format!("  roll-out: {}", roll_out_in_words(&plan)))?;
    let head = ["version", "when", "who", "why"].map(str::to_owned);
    let rows = detail.versions.into_iter().map(|version| {
        let who = format!("{} ({})", version.actor, version.via);
        [version.version.to_string(), output::time(Some(version.at)), who, version.reason.unwrap_or_default()]
    });
    Ok(output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())?)
}

async fn change(ledger: &Ledger, name: &str, terms: Terms, intent: PlanIntent) -> Result<()> {
    let changed = ledger.change_plan(name, &terms.change()?, intent, &because(terms.reason)?).await?;
    if changed.changes.is_empty() {
        return Ok(output::remark(&format!("That is the plan {name} already: nothing changes."))?);
    }
    for TermChange { field, before, after } in &changed.changes {
        let (before, after) = (in_words(field, before), in_words(field, after));
        output::result(&format!("{}: {before} → {after}", field.replace('_', " ")))?;
    }
    tell_effect(&changed.effect)?;
    let remark = match changed.dry_run {
        true => String::from("Nothing was saved: leave out --dry-run to do it."),
        false => format!(
            "The plan {name} has version {} now. A running engine takes it to its databases: flotilla plan roll-out show {name}",
            changed.plan.version
        ),
    };
    Ok(output::remark(&remark)?)
}

/// What a change does to databases, with a few of them.
pub fn tell_effect(effect: &Effect) -> Result<()> {
    output::result(&format!(
        "{} databases, {} of them change; {} have an override; {} would be blocked at once, {} would not be blocked any more",
        effect.databases, effect.changing, effect.overridden, effect.blocked, effect.freed
    ))?;
    for database in &effect.sample {
        let blocked = database.blocked_by.map_or("", |reason| reason.as_str());
        let owner = text::visible(&database.owner_id);
        output::result(format!("  {}  {owner}  {}", database.id, blocked.replace('_', " ")).trim_end())?;
    }
    Ok(())
}

async fn roll_out(ledger: &Ledger, command: RollOutCommand) -> Result<()> {
    let plan = match command {
        RollOutCommand::Show { name } => ledger.plan(&name).await?.plan,
        RollOutCommand::Stop { name, reason } => ledger.stop_plan_roll_out(&name, &because(reason)?).await?,
        RollOutCommand::Resume { name, reason } => ledger.resume_plan_roll_out(&name, &because(reason)?).await?,
    };
    Ok(output::result(&format!("{}: {}", plan.name, roll_out_in_words(&plan)))?)
}

fn roll_out_in_words(plan: &Plan) -> String {
    plan.roll_out.as_ref().map_or_else(|| String::from("–"), |roll_out| roll_out.in_words())
}

/// A field of a plan for people.
fn in_words(field: &str, value: &serde_json::Value) -> String {
    let is_limit = field.ends_with("_bytes") || field.ends_with("time_seconds");
    match (value.as_i64(), value.as_str()) {
        (limit, _) if is_limit => limit_text(field, limit),
        (Some(seconds), _) if field.ends_with("_seconds") && seconds > 0 => duration(seconds),
        (_, Some(words)) => text::visible(words),
        _ if value.is_null() => String::from("not set"),
        _ => value.to_string(),
    }
}

/// Who, at the command line, and why.
pub fn because(reason: Option<String>) -> Result<By> {
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    let reason = reason.map(|reason| text::reason(&reason, 1)).transpose();
    Ok(By { reason: reason.map_err(|error| anyhow!("--reason: {error}"))?, ..By::cli() })
}

impl Terms {
    fn change(&self) -> Result<PlanChange> {
        let quota = QuotaChange::parse(
            self.storage.as_deref(),
            self.active_hours.as_deref(),
            self.compute_hours.as_deref(),
            self.written.as_deref(),
            self.transfer.as_deref(),
        );
        Ok(PlanChange {
            label: self.label.clone(),
            quota: quota.map_err(|error| named(&error))?,
            min_cu: number("min-cu", self.min_cu.as_deref())?,
            max_cu: number("max-cu", self.max_cu.as_deref())?,
            suspend_timeout_seconds: number("suspend-timeout", self.suspend_timeout.as_deref())?,
            history_retention_seconds: number("history-retention", self.history_retention.as_deref())?,
            relief_percent: number("relief-percent", self.relief_percent.as_deref())?,
        })
    }
}

fn named(error: &AppError) -> anyhow::Error {
    match error {
        AppError::Invalid { field, message } => anyhow!("--{}: {message}", field.replace('_', "-")),
        other => anyhow!("{other}"),
    }
}

/// `none` for what the plan shall not say.
fn number<T: std::str::FromStr>(option: &str, text: Option<&str>) -> Result<Option<Option<T>>> {
    match text.map(str::trim) {
        None => Ok(None),
        Some("none") => Ok(Some(None)),
        Some(text) => match text.parse() {
            Ok(number) => Ok(Some(Some(number))),
            Err(_) => Err(anyhow!("--{option}: write a number, or none.")),
        },
    }
}
