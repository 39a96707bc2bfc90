//! The options of filters, made from the list of filters.

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches,
    builder::{TypedValueParser as _, ValueParser},
};

use super::values;
use crate::{
    choice::Choice as _,
    filter::{Condition, Filter, FilterOption, Mode, OPTIONS},
};

/// The options that say which faults a run counts.
pub(super) const COUNTING: u8 = 0;
/// The options that say which faults a run records.
pub(super) const RECORDING: u8 = 1;
/// The options that choose recorded faults.
pub(super) const CHOOSING: u8 = 2;

/// The options of filters for a purpose.
pub(super) struct FilterArguments<const PURPOSE: u8>(Filter);

impl<const PURPOSE: u8> FilterArguments<PURPOSE> {
    fn options() -> impl Iterator<Item = &'static FilterOption> {
        OPTIONS.iter().filter(|option| match PURPOSE {
            COUNTING => option.counts,
            RECORDING => option.records,
            _ => option.chooses,
        })
    }

    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.0.conditions()
    }

    pub(super) fn into_filter(self) -> Filter {
        self.0
    }
}

impl<const PURPOSE: u8> Args for FilterArguments<PURPOSE> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::options().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(option: &'static FilterOption) -> Arg {
    let argument = Arg::new(option.name)
        .long(option.name)
        .value_name(option.value)
        .help(option.help)
        .help_heading("Filter")
        .value_parser(parser(option));
    if option.is_list {
        argument.action(ArgAction::Append).value_delimiter(',')
    } else {
        argument
    }
}

fn parser(option: &'static FilterOption) -> ValueParser {
    if option.values.is_empty() {
        return ValueParser::new(option.read);
    }
    let values = values::one_of(option.values.iter().copied(), Mode::meaning);
    values.try_map(|value| (option.read)(value.name())).into()
}

impl<const PURPOSE: u8> FromArgMatches for FilterArguments<PURPOSE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = Self::options().flat_map(|option| {
            let values = matches.get_many::<Condition>(option.name);
            values.into_iter().flatten().cloned()
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
