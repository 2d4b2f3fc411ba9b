//! `ringback user`: the users of the store, and what is set about their calls (a file each).

mod dnd;
mod forward;
mod group;
mod show;
mod waiting;

use std::io::{self, BufRead};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::failure::Failure;
use super::{ConfigArguments, print};
use crate::config::{Config, UserName};
use crate::first_start::{DataDir, StartError, random_password};
use crate::secret::Secret;
use crate::store::{Options, Recovery, Store};
use crate::user_socket::{self, Directory, Listed, Reply, Request, Setting};

/// What `user` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user and print its password, unless one is given
    Add {
        /// The name to sign in with
        name: UserName,
        /// The name that others see
        #[arg(long, default_value = "")]
        display: String,
        #[command(flatten)]
        password: PasswordArguments,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Give a user a new password and print it, unless one is given
    Passwd {
        /// Whose
        name: String,
        #[command(flatten)]
        password: PasswordArguments,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Remove a user with its devices
    Remove {
        /// Whom
        name: String,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Say where the calls of a user go
    Forward(forward::Arguments),
    /// Keep a user from being disturbed, or not
    Dnd(dnd::Arguments),
    /// Say how many calls a user takes at a time
    Waiting(waiting::Arguments),
    /// Say whose calls a user may pick up
    Group(group::Arguments),
    /// Show what is set about the calls of a user
    Show(show::Arguments),
    /// List every user
    List {
        #[command(flatten)]
        config: ConfigArguments,
    },
}

/// Where a password comes from. Never from the command line, which other users of the machine can see.
#[derive(Debug, Args)]
struct PasswordArguments {
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArguments {
    /// The password, and whether it was made here and has to be shown.
    fn read(&self) -> Result<(Secret, bool), Failure> {
        if !self.password_stdin {
            return Ok((random_password(), true));
        }
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .context("cannot read the password from standard input")
            .map_err(Failure::Running)?;
        match line.trim_end_matches(['\r', '\n']) {
            "" => {
                Err(Failure::Usage("standard input holds no password; write it on the first line".to_owned()))
            }
            password => Ok((Secret::new(password), false)),
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.action {
        Action::Add { name, display, password, config } => {
            let (password, show) = password.read()?;
            let shown = show.then(|| password.clone());
            let done = format!("added the user `{name}`\n");
            carry_out(&config, Request::Add { name, display, password })?;
            print(&(done + &password_line(shown)))?;
        }
        Action::Passwd { name, password, config } => {
            let (password, show) = password.read()?;
            let shown = show.then(|| password.clone());
            let done = format!("changed the password of `{name}`\n");
            carry_out(&config, Request::Passwd { name, password })?;
            print(&(done + &password_line(shown)))?;
        }
        Action::Remove { name, config } => {
            let done = format!("removed the user `{name}`\n");
            carry_out(&config, Request::Remove { name })?;
            print(&done)?;
        }
        Action::Forward(arguments) => return forward::run(arguments),
        Action::Dnd(arguments) => return dnd::run(arguments),
        Action::Waiting(arguments) => return waiting::run(arguments),
        Action::Group(arguments) => return group::run(arguments),
        Action::Show(arguments) => return show::run(arguments),
        Action::List { config } => match carry_out(&config, Request::List)? {
            Reply::Users { users } => print(&table(&users))?,
            other => {
                return Err(Failure::Running(anyhow::anyhow!(
                    "the server answered {other:?} to a request for a list"
                )));
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes what is set.
fn set(config: &ConfigArguments, name: String, settings: Vec<Setting>) -> Result<ExitCode, Failure> {
    let done = format!("changed what is set about the calls of `{name}`\n");
    carry_out(config, Request::Set { name, settings })?;
    print(&done)?;
    Ok(ExitCode::SUCCESS)
}

/// A number, or nothing for `off`.
fn number(text: &str, what: &str) -> Result<Option<u32>, Failure> {
    if text == OFF {
        return Ok(None);
    }
    let wrong = |_| Failure::Usage(format!("{what} is `{text}`; write a number or `off`"));
    text.parse().map(Some).map_err(wrong)
}

/// What switches something off.
const OFF: &str = "off";

/// Asks the running server, or does it to the store itself when none runs.
fn carry_out(arguments: &ConfigArguments, request: Request) -> Result<Reply, Failure> {
    let config = arguments.source().load()?;
    let answer =
        user_socket::ask(&config.data_dir, &request).map_err(|error| Failure::Running(error.into()))?;
    let reply = match answer {
        Some(reply) => reply,
        None => directly(&config, request)?,
    };
    match reply {
        Reply::Refused { refusal } => Err(Failure::Running(refusal.into())),
        reply => Ok(reply),
    }
}

fn directly(config: &Config, request: Request) -> Result<Reply, StartError> {
    let _data_dir = DataDir::lock(&config.data_dir)?;
    let store = Store::open(&config.store_file(), Options::new(&config.store, Recovery::Refuse))?;
    let (reply, _) = Directory::new(&store, config)?.handle(request);
    Ok(reply)
}

fn password_line(shown: Option<Secret>) -> String {
    shown.map(|password| format!("password: {}\n", password.expose())).unwrap_or_default()
}

fn table(users: &[Listed]) -> String {
    users
        .iter()
        .map(|user| {
            let origin = if user.from_configuration { "  (configuration)" } else { "" };
            format!("{:<20}  {:<20}  {}{origin}\n", user.name, user.display, user.realm)
        })
        .collect()
}
