// Package config turns a TOML file and command-line options into one typed, validated [Config].
//
// # Precedence
//
// An option given on the command line wins over the file, at the top level and in every target:
// "-c latency.toml --no-tcp --no-rtt -i 1" makes every target one-way UDP at 1 ms, whatever its own
// interval says. The ports are the exception: --tcp-port and --udp-port replace the top level only,
// because a target's own port is the port of the far end. Below the options come the target's own
// keys, then the top level of the file, then the defaults.
//
// A target is probed over the transports its type names, as far as the switches tcp and udp leave
// them on. A target that a switch leaves without transport stays in the configuration and is not
// probed.
//
// --metrics replaces the backends of the file. If the file configures the backend of that name, its
// keys are kept.
//
// A key for authentication is given as auth_key or auth_key_file. A target that has either takes
// neither from the top level; auth_key = "" is none.
//
// # Secrets
//
// Keys and passwords are not quoted in errors and not printed: a configuration that was printed loads
// again except for these. A file with keys is found from the working directory, as the log file is, and
// is read when the configuration is: one key a line, with empty lines and those that begin with # for
// people. It must not be readable or writable by group or others.
//
// # Errors
//
// Every error is one line without control characters that names the file or the option, the key,
// the value and what is allowed. Only the first mistake is reported, and the same input always gives
// the same error. Targets and backends are counted from 0, as in "targets[1].interval".
package config
