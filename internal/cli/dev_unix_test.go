//go:build unix

package cli

import (
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dev takes a free port when the usual one is in use and nobody asked for it,
// ends on SIGTERM with code 0, and throws its data away.
func TestDevUntilSIGTERM(t *testing.T) {
	if l, err := net.Listen("tcp", ":2181"); err == nil {
		defer l.Close()
	}
	t.Setenv("TMPDIR", t.TempDir())
	var out, errs output
	done := make(chan int, 1)
	go func() { done <- Main([]string{"dev"}, IO{In: strings.NewReader(""), Out: &out, Err: &errs}) }()
	address := regexp.MustCompile(`127\.0\.0\.1:(\d+)`)
	var found []string
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for n := 0; found == nil && n < 1000; n++ {
		<-look.C
		found = address.FindStringSubmatch(out.String())
	}
	if found == nil || found[1] == "2181" {
		t.Fatalf("no address in %q, %s", out.String(), errs.String())
	}
	c, err := net.Dial("tcp", found[0])
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("exit code %d: %s", code, errs.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
