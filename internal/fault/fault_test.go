package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"kakehashi/internal/fault"
)

func TestKindOfIsTheOutermost(t *testing.T) {
	inner := fault.New(fault.Unavailable, "call tax").WithCode("KKH2101")
	outer := &fault.Error{Kind: fault.Denied, What: "authorise", Err: fmt.Errorf("ask: %w", inner)}
	for _, c := range []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"unclassified", errors.New("boom"), fault.Internal},
		{"plain", inner, fault.Unavailable},
		{"wrapped by fmt", fmt.Errorf("look up: %w", inner), fault.Unavailable},
		{"wrapped by another kind", outer, fault.Denied},
	} {
		if got := fault.KindOf(c.err); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got, want := fault.Code(outer), "KKH2101"; got != want {
		t.Errorf("Code of a wrapped error: got %q, want %q", got, want)
	}
	if fault.Is(nil, fault.Internal) {
		t.Error("Is(nil) must be false whatever the kind")
	}
}

func TestErrorTextNamesCodeActionAndCause(t *testing.T) {
	cause := errors.New("no route")
	err := fault.New(fault.Unavailable, "call tax: %w", cause).WithCode("KKH2101")
	if got, want := err.Error(), "KKH2101 call tax: no route"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
}
