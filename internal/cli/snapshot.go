package cli

import (
	"fmt"

	"quokka/internal/disk/vfs"
	"quokka/internal/offline"
)

type snapshotCmd struct {
	Print   snapshotPrintCmd   `cmd:"" help:"Print nodes and sessions, as Java's SnapshotFormatter does or as JSON."`
	Compare snapshotCompareCmd `cmd:"" help:"Say what two snapshots differ in. The exit code is 1 if they do."`
	Summary snapshotSummaryCmd `cmd:"" help:"Say what is big: nodes and bytes below each node, the biggest nodes, the widest parents."`
}

type snapshotPrintCmd struct {
	File   string `arg:"" name:"file|dir" help:"A snapshot of any name, plain, gz or snappy; or a directory, for its newest one that can be read."`
	Data   bool   `short:"d" help:"In text, print the data of each node in base64, not its length."`
	Output string `short:"o" enum:"text,json,ncdu" default:"text" help:"text is the layout of SnapshotFormatter, json one object on each line, ncdu the sizes for ncdu -f (SnapshotFormatter -json)."`
}

// Run prints a snapshot.
func (c *snapshotPrintCmd) Run(e *env) error {
	return offlineError(offline.PrintSnapshot(vfs.OS{}, c.File, offline.SnapshotFormat(c.Output), c.Data, e.Out, e.Err))
}

type snapshotCompareCmd struct {
	A       string `arg:"" name:"a" help:"The older snapshot, or a directory for its newest one."`
	B       string `arg:"" name:"b" help:"The newer one."`
	Output  string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	Content bool   `help:"Compare data, ACLs and owners only: not versions, zxids and times of nodes, nor sessions."`
	Bytes   *int64 `short:"b" help:"Compare level by level as Java's SnapshotComparer, and tell nodes with more than so many bytes of difference below them." placeholder:"N"`
	Nodes   *int64 `short:"n" help:"Likewise, with more than so many nodes of difference." placeholder:"N"`
}

// Run compares snapshots.
func (c *snapshotCompareCmd) Run(e *env) error {
	o := offline.CompareOptions{JSON: c.Output == "json", ContentOnly: c.Content, Layers: c.Bytes != nil || c.Nodes != nil}
	if o.Layers && o.JSON {
		return offlineError(fmt.Errorf("--bytes and --nodes print Java's layout, which has no JSON; leave out one of them"))
	}
	if c.Bytes != nil {
		o.Bytes = *c.Bytes
	}
	if c.Nodes != nil {
		o.Nodes = *c.Nodes
	}
	return offlineError(offline.CompareSnapshots(vfs.OS{}, c.A, c.B, o, e.Out, e.Err))
}

type snapshotSummaryCmd struct {
	File   string `arg:"" name:"file|dir" help:"A snapshot, or a directory for its newest one."`
	Path   string `arg:"" optional:"" default:"/" help:"The node to begin with."`
	Depth  int    `default:"1" help:"Levels below it that are shown; 0 is all."`
	Top    int    `default:"10" help:"Length of the lists of what is big; 0 leaves them out."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text is the layout of Java's SnapshotRecursiveSummary, followed by the lists."`
}

// Run sums a snapshot up.
func (c *snapshotSummaryCmd) Run(e *env) error {
	return offlineError(summarize(e.IO, c.File, offline.SummaryOptions{
		Path: c.Path, Depth: c.Depth, Top: c.Top, JSON: c.Output == "json",
	}))
}

func summarize(stdio IO, file string, o offline.SummaryOptions) error {
	s, err := offline.LoadSnapshot(vfs.OS{}, file)
	if err != nil {
		return err
	}
	for _, n := range s.Notes {
		fmt.Fprintln(stdio.Err, "quokka:", n)
	}
	return s.State().Summarize(o, stdio.Out)
}
