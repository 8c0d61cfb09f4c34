package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"quokka/internal/admin"
	"quokka/internal/config"
	"quokka/internal/server"
)

type serverCmd struct {
	Args []string `arg:"" optional:"" name:"zoo.cfg" help:"Configuration file; or port, data directory, tickTime and maxClientCnxns as ZooKeeperServerMain takes them. Without any: port 2181, data in ./quokka-data."`
}

// Run runs a server.
func (c *serverCmd) Run(e *env) error {
	cfg, err := e.load(c.Args)
	if err != nil {
		return err
	}
	s, err := server.New(cfg, e.log)
	if err != nil {
		return err
	}
	return s.Run(e.ctx)
}

type devCmd struct {
	Keep string `help:"Keep the data in this directory instead of throwing it away." type:"path"`
}

// devPort is the port dev prefers.
const devPort = 2181

// Run runs a server for development. It takes another port when nobody asked
// for the usual one and that is in use.
func (c *devCmd) Run(e *env) error {
	dir := c.Keep
	if dir == "" {
		tmp, err := os.MkdirTemp("", "quokka-dev-")
		if err != nil {
			return fmt.Errorf("cannot make a directory for the data: %w", err)
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	_, asked := e.overrides.flags["client-port"]
	if _, ok := e.overrides.flags["4lw-commands-whitelist"]; !ok {
		e.overrides.flags["4lw-commands-whitelist"] = "*"
	}
	s, err := c.start(e, devPort, dir)
	if err != nil && !asked && portTaken(err) {
		e.log.Info("port 2181 is in use, taking a free one")
		s, err = c.start(e, 0, dir)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Out, "A standalone server is ready. Connect any ZooKeeper client to:\n\n    127.0.0.1:%s\n\nData: %s\nStop it with Ctrl-C.\n",
		portOf(s), dir)
	return s.Run(e.ctx)
}

func (c *devCmd) start(e *env, port int, dir string) (*server.Server, error) {
	cfg, err := e.load([]string{strconv.Itoa(port), dir})
	if err != nil {
		return nil, err
	}
	return server.New(cfg, e.log)
}

type configCmd struct {
	Keys bool     `help:"Print all keys with their flags, environment variables and properties instead."`
	Args []string `arg:"" optional:"" name:"zoo.cfg" help:"As for server."`
}

// Run prints a configuration.
func (c *configCmd) Run(e *env) error {
	if c.Keys {
		return printKeys(e.Out)
	}
	cfg, err := e.load(c.Args)
	if err != nil {
		return err
	}
	return cfg.Print(e.Out)
}

func printKeys(w io.Writer) error {
	for k := range config.Keys() {
		note := ""
		if !k.Implemented {
			note = "   Read and checked; no effect in this version.\n"
		}
		if _, err := fmt.Fprintf(w, "%s\n   --%s  %s  %s\n   %s; default %s\n   %s\n%s",
			k.Key, k.Flag, k.Env, k.Property, k.Type, orNone(k.Default), k.Doc, note); err != nil {
			return err
		}
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.Out, "Quokka, compatible with Apache ZooKeeper, version", admin.ReadBuild())
	return err
}

func portTaken(err error) bool {
	return errors.Is(err, errAddrInUse)
}
