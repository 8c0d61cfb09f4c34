package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "quokka/"

// source is one parsed Go file.
type source struct {
	path string // slash separated, from the module's root
	dir  string
	test bool
	file *ast.File
	fset *token.FileSet
}

func (s source) imports() []string {
	var list []string
	for _, i := range s.file.Imports {
		list = append(list, strings.Trim(i.Path.Value, `"`))
	}
	return list
}

// sources parses every Go file of the module.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		dir := rel[:max(strings.LastIndexByte(rel, '/'), 0)]
		all = append(all, source{rel, dir, strings.HasSuffix(name, "_test.go"), f, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found %d files only: this test looks in the wrong place", len(all))
	}
	return all
}

// allowed returns for every package of Rules what it may import, whatever
// that may import included.
func allowed(t *testing.T) map[string]map[string]bool {
	t.Helper()
	may := make(map[string]map[string]bool)
	for rule := range strings.SplitSeq(Rules, ";") {
		left, right, ok := strings.Cut(rule, "<")
		if !ok {
			if strings.TrimSpace(rule) != "" {
				t.Fatalf("rule without <: %q", rule)
			}
			continue
		}
		for _, user := range names(right) {
			if may[user] == nil {
				may[user] = make(map[string]bool)
			}
			for _, used := range names(left) {
				if used == "NONE" {
					continue
				}
				if may[used] == nil {
					t.Fatalf("rule %q uses %s, which has no line above", strings.TrimSpace(rule), used)
				}
				may[user][used] = true
				for deep := range may[used] {
					may[user][deep] = true
				}
			}
		}
	}
	return may
}

func names(list string) []string {
	var out []string
	for n := range strings.SplitSeq(list, ",") {
		out = append(out, strings.TrimSpace(n))
	}
	return out
}

func TestImportsFollowTheFloors(t *testing.T) {
	may := allowed(t)
	byDir := make(map[string]string)
	for name, dir := range Floors {
		byDir["internal/"+dir] = name
	}
	for name, dir := range Outside {
		byDir[dir] = name
	}
	for _, s := range sources(t) {
		outside := !strings.HasPrefix(s.dir, "internal/") && byDir[s.dir] == ""
		if s.test || outside || s.dir == "internal/arch" {
			continue
		}
		name, ok := byDir[s.dir]
		if !ok || may[name] == nil {
			t.Errorf("%s: package %s has no line in arch.Rules and Floors: say who may import it and what it may import", s.path, s.dir)
			continue
		}
		for _, imp := range s.imports() {
			dir, ok := strings.CutPrefix(imp, module)
			if !ok {
				continue
			}
			used := byDir[dir]
			if why, no := Forbidden[[2]string{name, used}]; no {
				t.Errorf("%s: %s must not import %s: %s", s.path, name, used, why)
			} else if !may[name][used] {
				t.Errorf("%s: %s may not import %s (arch.Rules)", s.path, name, used)
			}
		}
	}
}

func TestCoreIsPure(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !strings.HasPrefix(s.dir, "internal/core/") {
			continue
		}
		for _, imp := range s.imports() {
			if slices.Contains(Impure, imp) {
				t.Errorf("%s imports %s: the core is told such things, or gives them out as effects", s.path, imp)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a go statement in the core", s.fset.Position(n.Pos()))
			case *ast.ChanType:
				t.Errorf("%s: a channel in the core", s.fset.Position(n.Pos()))
			}
			return true
		})
	}
}

// TestOnlyDisksFlush keeps fsync where its crash arguments are.
func TestOnlyDisksFlush(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(s.dir, "internal/disk/") || strings.HasPrefix(s.dir, "interop") {
			continue
		}
		for _, imp := range s.imports() {
			if strings.HasPrefix(imp, "golang.org/x/sys") {
				t.Errorf("%s imports %s: system calls belong to internal/disk", s.path, imp)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if ok && (sel.Sel.Name == "Fsync" || sel.Sel.Name == "Fdatasync" || sel.Sel.Name == "Datasync") {
				t.Errorf("%s: %s outside of internal/disk", s.fset.Position(n.Pos()), sel.Sel.Name)
			}
			return true
		})
	}
}

func TestFunctionsStayShort(t *testing.T) {
	for _, s := range sources(t) {
		limit := MaxFunction
		if s.test {
			limit = MaxTestFunction
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
			if lines > limit {
				t.Errorf("%s: %s has %d lines, %d are allowed: split it by what it does", s.path, f.Name.Name, lines, limit)
			}
		}
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	documented := make(map[string]bool)
	for _, s := range sources(t) {
		if !s.test {
			documented[s.dir] = documented[s.dir] || s.file.Doc.Text() != ""
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment: say what it is, what it owns, what it must never do", dir)
		}
	}
}

// TestNoDumpingGround refuses names that say nothing.
func TestNoDumpingGround(t *testing.T) {
	for _, s := range sources(t) {
		switch name := s.dir[strings.LastIndexByte(s.dir, '/')+1:]; name {
		case "util", "utils", "common", "helper", "helpers", "misc", "base":
			t.Errorf("%s: a package named %s gathers everything: name it after its subject", s.path, name)
		}
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test || strings.HasPrefix(s.dir, "interop") || slices.Contains(s.imports(), "testing/synctest") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if x, isID := selX(sel); ok && isID && x == "time" && sel.Sel.Name == "Sleep" {
				t.Errorf("%s: a sleeping test: use testing/synctest, or wait for what you need", s.fset.Position(n.Pos()))
			}
			return true
		})
	}
}

func selX(sel *ast.SelectorExpr) (string, bool) {
	if sel == nil {
		return "", false
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", false
	}
	return id.Name, true
}
