package shell

import (
	"fmt"
	"io"
	"strings"
	"time"

	"quokka/internal/render"
	"quokka/internal/subtree"
)

// A bar shows on a terminal how far a command is. It writes to standard error
// and is wiped away before anything else is printed.
type bar struct {
	w     io.Writer
	total int64 // nodes; 0: not known
	begin time.Time
	next  time.Time
	width int // of what stands there
}

// barEvery is how often the line changes; barAfter is how long nothing is
// shown, since most commands are over by then.
const (
	barEvery = 100 * time.Millisecond
	barAfter = 400 * time.Millisecond
	barWidth = 24
)

func (c *Call) newBar(total int64) *bar {
	now := time.Now()
	b := &bar{w: c.Progress(), total: total, begin: now, next: now.Add(barAfter)}
	if b.w == io.Discard {
		b.w = nil
	}
	return b
}

// show is a Progress function.
func (b *bar) show(r subtree.Report) {
	now := time.Now()
	if b.w == nil || now.Before(b.next) {
		return
	}
	b.next = now.Add(barEvery)
	b.draw(barText(r, b.total, now.Sub(b.begin)))
}

// draw writes over what stands there.
func (b *bar) draw(text string) {
	fmt.Fprintf(b.w, "\r%s%s", text, strings.Repeat(" ", max(0, b.width-len(text))))
	b.width = len(text)
}

// wipe takes the line away, so that others can write.
func (b *bar) wipe() {
	if b.width > 0 {
		fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", b.width))
		b.width = 0
	}
}

func barText(r subtree.Report, total int64, took time.Duration) string {
	rate := float64(r.Seen) / max(took.Seconds(), 0.001)
	text := fmt.Sprintf("%d nodes, %.0f/s", r.Seen, rate)
	if r.Bytes > 0 {
		text += ", " + render.Bytes(r.Bytes)
	}
	if done := r.Created + r.Updated + r.ACLs + r.Deleted; done > 0 {
		text += fmt.Sprintf(", %d changed", done)
	}
	if r.Failed > 0 {
		text += fmt.Sprintf(", %d failed", r.Failed)
	}
	if total <= 0 || rate == 0 {
		return text
	}
	part := min(float64(r.Seen)/float64(total), 1)
	full := int(part * barWidth)
	left := time.Duration(float64(max(total-r.Seen, 0)) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("[%s%s] %3.0f%% %s, %v left", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*part, text, left)
}

// count returns how many nodes a subtree has, for a bar, if a terminal shows
// one. Servers count without sending anything; old ones cannot.
func (c *Call) count(s subtree.Side) int64 {
	if c.Progress() == io.Discard {
		return 0
	}
	n, err := s.Client.AllChildrenNumber(c.Context, s.Root)
	if err != nil {
		return 0
	}
	return int64(n) + 1
}
