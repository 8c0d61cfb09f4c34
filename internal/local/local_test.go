package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigure(t *testing.T) {
	dir := t.TempDir()
	files, err := Configure(dir, []int{4001, 4002, 4003}, "tickTime=500\n")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	var members string
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(text), "\ntickTime=500\n")
		if !ok || strings.Count(rest, "server.") != 3 || i > 0 && rest != members {
			t.Errorf("%s:\n%s", file, text)
		}
		members = rest
	}
	if id, err := os.ReadFile(filepath.Join(dir, "3", "myid")); err != nil || string(id) != "3\n" {
		t.Errorf("%q, %v", id, err)
	}
	alone, err := Configure(t.TempDir(), []int{4001}, "")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(alone[0]); err != nil || strings.Contains(string(text), "server.") {
		t.Errorf("%s, %v", text, err)
	}
}
