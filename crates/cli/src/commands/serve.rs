//! `comptoir serve`

use std::net::SocketAddr;

use clap::Args;
use server::{Exit, Failure, OpenFault};

use super::Place;
use crate::show;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// Address and port to listen on [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR", value_parser = super::address)]
    listen: Option<SocketAddr>,
    /// Print all keys of a configuration file with their meaning and default, and serve nothing
    #[arg(long)]
    print_config: bool,
}

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    if options.print_config {
        show::say(server::config::DEFAULT);
        return Ok(Exit::Done);
    }
    let mut config = options.place.config()?;
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    super::log(&config)?;
    let runtime = super::runtime(config.workers())?;
    runtime.block_on(async {
        // Before anything is opened, so that a signal never finds it half open.
        let stop = server::stop_on_signals()?;
        let listener = server::listen(config.listen).await?;
        let data = config.data.display().to_string();
        let opened = server::open(config).map_err(|fault| match fault {
            OpenFault::InUse { pid } => Failure::unreachable(format!(
                "the data folder {data} is in use by process {pid}; stop it, or choose another folder with --data"
            )),
            OpenFault::Failed(failure) => failure,
        })?;
        server::serve(opened, listener, stop, |_| {}).await
    })?;
    // What still waits for a client that is gone shall not hold us up.
    runtime.shutdown_background();
    Ok(Exit::Done)
}
