// Package cli is the command line: one file for each command, and the table
// of them here. It parses, calls what does the work, and turns errors into
// exit codes; it decides nothing else.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"quokka/internal/config"
)

// IO is where a command reads and writes.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Environ  []string // as os.Environ returns it
	Name     string   // of the program, argv[0]
}

// Std is the process's own IO.
func Std() IO {
	return IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ(), Name: os.Args[0]}
}

// commands is the table of commands; each is described in its own file.
type commands struct {
	LogFormat string `help:"Format of log lines on standard error: ${enum}." enum:"text,json" default:"text"`
	LogLevel  string `help:"Least level that is logged: ${enum}." enum:"debug,info,warn,error" default:"info"`

	Server  serverCmd  `cmd:"" aliases:"start-foreground" help:"Run a server until it is stopped by SIGTERM or SIGINT."`
	Dev     devCmd     `cmd:"" help:"Run three servers for development, with data that is thrown away at the end."`
	Conf    confCmd    `cmd:"" help:"Print the configuration a server would run with, or all keys there are."`
	Bench   Bench      `cmd:"" help:"Load any ZooKeeper-compatible server and report throughput and latencies."`
	Sim     simCmd     `cmd:"" help:"Simulate an ensemble under faults and check that nothing is lost (docs/simulation.md)."`
	Version versionCmd `cmd:"" help:"Print the version."`

	Txnlog   txnlogCmd   `cmd:"" help:"Print, check and repair transaction logs, without a server (docs/offline.md)."`
	Snapshot snapshotCmd `cmd:"" help:"Print, compare and sum up snapshots, without a server."`
	Datadir  datadirCmd  `cmd:"" help:"Look into a data directory, as it is or as it was, without a server."`
}

// env is what the commands share.
type env struct {
	IO
	ctx       context.Context
	log       *slog.Logger
	overrides settings
}

// exitCoder is an error that knows the exit code of its process.
type exitCoder interface{ ExitCode() int }

const description = `Quokka serves Apache ZooKeeper's clients from one program.

Every key of zoo.cfg is also a flag (clientPort is --client-port, see "quokka conf --keys"), an environment variable (QUOKKA_CLIENT_PORT), and as in Java a system property (-Dzookeeper.snapCount=1000).`

// Main runs the command that args name and returns the process's exit code.
func Main(args []string, stdio IO) int {
	if code, ok := runShell(args, stdio); ok {
		return code
	}
	if code, ok := offlineByName(args, stdio); ok {
		return code
	}
	args, overrides := splitSettings(args)
	var c commands
	exit := -1
	parser, err := kong.New(&c, kong.Name("quokka"), kong.Description(description), kong.UsageOnError(),
		kong.Help(printHelp),
		kong.Writers(stdio.Out, stdio.Err), kong.Exit(func(code int) { exit = code }))
	if err != nil {
		fmt.Fprintln(stdio.Err, "quokka:", err)
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help
	}
	if err != nil {
		fmt.Fprintf(stdio.Err, "quokka: %v;%s see quokka --help\n", err, suggestion(args))
		return config.ExitCode
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{IO: stdio, ctx: ctx, log: newLogger(stdio.Err, c.LogFormat, c.LogLevel), overrides: overrides}
	k.BindTo(ctx, (*context.Context)(nil))
	k.BindTo(stdio.Out, (*io.Writer)(nil))
	if err := k.Run(e); err != nil {
		fmt.Fprintln(stdio.Err, "quokka:", err)
		var coder exitCoder
		if errors.As(err, &coder) {
			return coder.ExitCode()
		}
		return 1
	}
	return 0
}

func newLogger(w io.Writer, format, level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // kong has checked it
	opt := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
