package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"quokka/internal/disk/vfs"
	"quokka/internal/offline"
	"quokka/internal/proto"
)

type txnlogCmd struct {
	Print  txnlogPrintCmd  `cmd:"" help:"Print transactions, as Java's TxnLogToolkit does or as JSON."`
	Check  txnlogCheckCmd  `cmd:"" help:"Read logs to their end and say what is wrong with them, and what a server would do."`
	Repair txnlogRepairCmd `cmd:"" help:"Copy the whole records of a torn or damaged log to a new file."`
}

type txnlogPrintCmd struct {
	Files   []string `arg:"" name:"file|dir" help:"Logs, or directories with logs; they are printed in the order of their zxids."`
	Output  string   `short:"o" enum:"text,json" default:"text" help:"text is the layout of TxnLogToolkit, json one object on each line."`
	Oneline bool     `help:"Text with one line for each transaction; Java's has a newline behind each entry of an ACL."`
	From    string   `help:"Only zxids from this one on (0x1f, or decimal)." placeholder:"ZXID"`
	To      string   `help:"Only zxids up to this one." placeholder:"ZXID"`
	Session string   `help:"Only transactions of a session (hexadecimal)." placeholder:"ID"`
	Path    string   `help:"Only transactions with a path at or below this one, or one that a pattern with *, ** or ? fits."`
	Type    []string `help:"Only these types (create, setData, multi, error...), by commas; of a multi, its parts count too."`
	Since   string   `help:"Only transactions from this time on (2026-11-30T17:04:05Z, or 90m for so long ago)." placeholder:"TIME"`
	Until   string   `help:"Only transactions up to this time." placeholder:"TIME"`
	Errors  bool     `help:"Only refused requests."`
	Limit   int      `help:"Stop after so many transactions." placeholder:"N"`
	Tail    int      `help:"Only the last so many." placeholder:"N"`
}

// Run prints logs.
func (c *txnlogPrintCmd) Run(e *env) error {
	o := offline.PrintOptions{JSON: c.Output == "json", OneLine: c.Oneline, Limit: c.Limit, Tail: c.Tail}
	var err error
	if o.Filter, err = c.filter(time.Now()); err != nil {
		return offlineError(err)
	}
	files, err := offline.LogFiles(vfs.OS{}, c.Files)
	if err == nil {
		err = offline.PrintLogs(vfs.OS{}, files, o, e.Out, e.Err)
	}
	return offlineError(err)
}

func (c *txnlogPrintCmd) filter(now time.Time) (f offline.Filter, err error) {
	f.Errors = c.Errors
	for _, z := range []struct {
		text string
		into *proto.Zxid
	}{{c.From, &f.From}, {c.To, &f.To}} {
		if z.text == "" {
			continue
		}
		if *z.into, err = offline.ParseZxid(z.text); err != nil {
			return f, err
		}
	}
	for _, t := range []struct {
		text string
		into *time.Time
	}{{c.Since, &f.Since}, {c.Until, &f.Until}} {
		if t.text == "" {
			continue
		}
		if *t.into, err = offline.ParseTime(t.text, now); err != nil {
			return f, err
		}
	}
	if c.Session != "" {
		if f.Session, err = offline.ParseSession(c.Session); err != nil {
			return f, err
		}
	}
	if c.Path != "" {
		f.Path = offline.NewPattern(c.Path)
	}
	for _, t := range c.Type {
		known := offline.TxnTypes()
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, t) }) {
			return f, fmt.Errorf("there is no type %q of transactions; there are %s", t, strings.Join(known, ", "))
		}
	}
	f.Types = c.Type
	return f, nil
}

type txnlogCheckCmd struct {
	Files  []string `arg:"" name:"file|dir" help:"Logs, or directories with logs."`
	Output string   `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run checks logs.
func (c *txnlogCheckCmd) Run(e *env) error {
	return offlineError(offline.CheckLogs(vfs.OS{}, c.Files, c.Output == "json", e.Out))
}

type txnlogRepairCmd struct {
	Files    []string `arg:"" name:"file|dir" help:"Logs, or directories with logs."`
	Copy     string   `short:"o" help:"Name of the copy of one log; it must not exist." placeholder:"COPY"`
	Out      string   `help:"Directory for the copies, which keep their names." placeholder:"DIR"`
	OnDamage string   `enum:"refuse,cut,skip,mend" default:"refuse" help:"What to do with damage that whole records follow: refuse to copy, cut there and lose what follows, skip the bad bytes and leave a gap, or mend records in which one bit is wrong."`
}

// Run repairs copies of logs.
func (c *txnlogRepairCmd) Run(e *env) error {
	fsys := vfs.OS{}
	files, err := offline.LogFiles(fsys, c.Files)
	if err != nil {
		return offlineError(err)
	}
	if (c.Copy == "") == (c.Out == "") || c.Copy != "" && len(files) != 1 {
		return offlineError(fmt.Errorf("say where the copy goes: -o COPY for one log, or --out DIR for any number"))
	}
	if c.Out != "" {
		if err := fsys.MkdirAll(c.Out); err != nil {
			return offlineError(err)
		}
	}
	for _, f := range files {
		to := c.Copy
		if c.Out != "" {
			to = filepath.Join(c.Out, filepath.Base(f.Path))
		}
		err := offline.Repair(fsys, f.Path, to, offline.OnDamage(c.OnDamage), e.Out)
		if len(files) > 1 && errors.Is(err, offline.ErrNoRecord) {
			fmt.Fprintln(e.Out, err)
			continue
		}
		if err != nil {
			return offlineError(err)
		}
	}
	return nil
}
