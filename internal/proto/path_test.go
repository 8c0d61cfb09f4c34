package proto

import "testing"

func TestValidatePath(t *testing.T) {
	good := []string{"/", "/a", "/a/b", "/...", "/.a", "/a..b", "/é/ü", "/\u0100", "/a b", "/\uf900"}
	for _, p := range good {
		if why := ValidatePath(p); why != "" {
			t.Errorf("%q refused: %s", p, why)
		}
	}
	bad := []string{"", "a", "//", "/a/", "/a//b", "/.", "/..", "/a/./b", "/a/..", "/a\x00", "/\x01", "/\x1f", "/\x7f",
		"/\u0080", "/\u009f", "/\ue000", "/\uf8ff", "/\ufff0", "/\uffff", "/😀", "/\xff"}
	for _, p := range bad {
		if ValidatePath(p) == "" {
			t.Errorf("%q accepted", p)
		}
	}
}

func TestParentOf(t *testing.T) {
	for in, want := range map[string]string{"/": "", "/a": "", "/a/b": "/a", "/a/": "/a"} {
		if got := ParentOf(in); got != want {
			t.Errorf("ParentOf(%q) = %q, want %q", in, got, want)
		}
	}
}
