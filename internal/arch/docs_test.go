package arch

import (
	"go/ast"
	"iter"
	"maps"
	"slices"
	"testing"
)

// TestPublicNamesAreDocumented looks at the packages that other people's
// programs import: each exported name, fields and methods included, says what
// it is.
func TestPublicNamesAreDocumented(t *testing.T) {
	outside := slices.Collect(maps.Values(Outside))
	names := 0
	for _, s := range sources(t) {
		if s.test || !slices.Contains(outside, s.dir) {
			continue
		}
		for name, ok := range publicNames(s.file) {
			names++
			if !ok {
				t.Errorf("%s: %s has no comment", s.path, name)
			}
		}
	}
	if names < 200 {
		t.Errorf("found %d names only: this test looks in the wrong place", names)
	}
}

// publicNames yields the exported names of a file, and whether they are
// documented.
func publicNames(f *ast.File) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && !yield(d.Name.Name, d.Doc.Text() != "") {
					return
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if !publicSpec(d, spec, yield) {
						return
					}
				}
			}
		}
	}
}

// exportedReceiver tells whether a function can be called from outside: it is
// no method, or one of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return false
		}
	}
}

func publicSpec(d *ast.GenDecl, spec ast.Spec, yield func(string, bool) bool) bool {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		ok := spec.Doc.Text()+spec.Comment.Text() != "" || !d.Lparen.IsValid() && d.Doc.Text() != ""
		for _, name := range spec.Names {
			if name.IsExported() && !yield(name.Name, ok) {
				return false
			}
		}
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return true
		}
		ok := spec.Doc.Text() != "" || !d.Lparen.IsValid() && d.Doc.Text() != ""
		return yield(spec.Name.Name, ok) && publicMembers(spec, yield)
	}
	return true
}

// publicMembers yields the fields of a struct, and the methods of an
// interface.
func publicMembers(spec *ast.TypeSpec, yield func(string, bool) bool) bool {
	var list *ast.FieldList
	switch typ := spec.Type.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		list = typ.Methods
	default:
		return true
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			if name.IsExported() && !yield(spec.Name.Name+"."+name.Name, field.Doc.Text()+field.Comment.Text() != "") {
				return false
			}
		}
	}
	return true
}
