package cli

import (
	"fmt"
	"io"

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

type confCmd struct {
	Keys bool     `help:"Print all keys with their flags, environment variables and properties instead."`
	Args []string `arg:"" optional:"" name:"zoo.cfg" help:"As for server."`
}

// Run prints a configuration.
func (c *confCmd) Run(e *env) error {
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
