package cli

import (
	"fmt"
	"time"

	"quokka/internal/disk/vfs"
	"quokka/internal/offline"
	"quokka/internal/render"
)

type datadirCmd struct {
	Info    datadirInfoCmd    `cmd:"" help:"Say what a directory holds: files, zxids, damage, gaps, disk use, and what a server would recover."`
	Ls      datadirLsCmd      `cmd:"" help:"List the children of a node."`
	Get     datadirGetCmd     `cmd:"" help:"Print the data of a node."`
	Stat    datadirStatCmd    `cmd:"" help:"Print the metadata and the ACL of a node."`
	Tree    datadirTreeCmd    `cmd:"" help:"Print a node and all below it."`
	History datadirHistoryCmd `cmd:"" help:"Print every transaction that changed a node, with what was before and after."`
	Compare datadirCompareCmd `cmd:"" help:"Say what the states of two servers differ in at one zxid. The exit code is 1 if they do."`
}

// place says which directory is meant.
type place struct {
	Dir    string `arg:"" name:"dir" help:"A dataDir, its version-2, a copy of either, or a zoo.cfg that names it. A server may be running on it."`
	LogDir string `help:"The dataLogDir, if it is another directory." placeholder:"DIR" type:"path"`
}

func (p *place) locate() (offline.DataDir, error) { return offline.Locate(vfs.OS{}, p.Dir, p.LogDir) }

// node says which node, of which moment, and how it is shown.
type node struct {
	place
	Path   string `arg:"" optional:"" default:"/" help:"The node."`
	At     string `help:"As it was at this zxid (0x1f, or decimal) or time (2026-11-30T17:04:05Z, or 90m for so long ago). Default: as it is." placeholder:"ZXID|TIME"`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	Quiet  bool   `short:"q" help:"Do not say which snapshot and how many transactions the answer comes from."`
}

func (n *node) json() bool { return n.Output == "json" }

// state recovers the state that is asked for, and says what from.
func (n *node) state(e *env) (offline.State, error) {
	d, err := n.locate()
	if err != nil {
		return offline.State{}, err
	}
	at, err := moment(n.At)
	if err != nil {
		return offline.State{}, err
	}
	s, err := d.At(vfs.OS{}, at)
	if err != nil {
		return s, err
	}
	if !n.Quiet {
		fmt.Fprintln(e.Err, "quokka:", s.From)
	}
	for _, note := range s.Notes {
		fmt.Fprintln(e.Err, "quokka:", note)
	}
	return s, nil
}

// moment reads --at; without it there is none.
func moment(text string) (*offline.Moment, error) {
	if text == "" {
		return nil, nil
	}
	m, err := offline.ParseMoment(text, time.Now())
	return &m, err
}

type datadirInfoCmd struct {
	place
	Deep   bool   `help:"Read all snapshots to their end, not only the one that a server would load."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run says what a directory holds.
func (c *datadirInfoCmd) Run(e *env) error {
	d, err := c.locate()
	if err != nil {
		return offlineError(err)
	}
	info, err := d.Inspect(vfs.OS{}, c.Deep)
	if err != nil {
		return offlineError(err)
	}
	if c.Output == "json" {
		err = render.JSON(e.Out, info, false)
	} else {
		err = info.Write(e.Out)
	}
	if err == nil && info.Damaged() {
		err = offline.ErrDamaged
	}
	return offlineError(err)
}

type datadirLsCmd struct{ node }

// Run lists children.
func (c *datadirLsCmd) Run(e *env) error {
	s, err := c.state(e)
	if err == nil {
		err = s.List(c.Path, c.json(), e.Out)
	}
	return offlineError(err)
}

type datadirGetCmd struct {
	node
	View string `enum:"text,json,hex,base64,raw" default:"text" help:"How text shows the data: ${enum}; raw is the bytes as they are and nothing else."`
}

// Run prints data.
func (c *datadirGetCmd) Run(e *env) error {
	s, err := c.state(e)
	switch {
	case err != nil:
	case c.View == "raw" && !c.json():
		err = s.Raw(c.Path, e.Out)
	default:
		err = s.Get(c.Path, render.View(c.View), c.json(), e.Out)
	}
	return offlineError(err)
}

type datadirStatCmd struct{ node }

// Run prints metadata.
func (c *datadirStatCmd) Run(e *env) error {
	s, err := c.state(e)
	if err == nil {
		err = s.Stat(c.Path, c.json(), e.Out)
	}
	return offlineError(err)
}

type datadirTreeCmd struct {
	node
	Depth int `help:"Levels below the node; 0 is all." placeholder:"N"`
}

// Run prints a tree.
func (c *datadirTreeCmd) Run(e *env) error {
	s, err := c.state(e)
	if err == nil {
		err = s.PrintTree(c.Path, c.Depth, c.json(), e.Out)
	}
	return offlineError(err)
}

type datadirHistoryCmd struct {
	place
	Path     string `arg:"" help:"The node."`
	Children bool   `help:"Tell also which children came and went."`
	Output   string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run prints the history of a node.
func (c *datadirHistoryCmd) Run(e *env) error {
	d, err := c.locate()
	if err == nil {
		o := offline.HistoryOptions{Path: c.Path, Children: c.Children, JSON: c.Output == "json"}
		err = d.History(vfs.OS{}, o, e.Out, e.Err)
	}
	return offlineError(err)
}

type datadirCompareCmd struct {
	A       string `arg:"" name:"dir" help:"A data directory or zoo.cfg."`
	B       string `arg:"" name:"other" help:"That of another server."`
	At      string `help:"Compare as of this zxid or time. Default: the newest zxid that both have." placeholder:"ZXID|TIME"`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	Content bool   `help:"Compare data, ACLs and owners only: not versions, zxids and times of nodes, nor sessions."`
}

// Run compares states. Directories with another dataLogDir are named by their
// zoo.cfg.
func (c *datadirCompareCmd) Run(e *env) error {
	var dirs [2]offline.DataDir
	for i, arg := range []string{c.A, c.B} {
		var err error
		if dirs[i], err = offline.Locate(vfs.OS{}, arg, ""); err != nil {
			return offlineError(err)
		}
	}
	at, err := moment(c.At)
	if err == nil {
		o := offline.CompareOptions{JSON: c.Output == "json", ContentOnly: c.Content}
		err = offline.CompareDirs(vfs.OS{}, dirs[0], dirs[1], at, o, e.Out, e.Err)
	}
	return offlineError(err)
}
