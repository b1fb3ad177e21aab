package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is mistyped or empty never becomes a wider selection.
func TestConditionsAreTakenAtTheirWord(t *testing.T) {
	for name, c := range map[string]struct {
		pairs []string
		want  map[string]string // nil: refused
	}{
		"none":            {nil, map[string]string{}},
		"all":             {[]string{"all"}, map[string]string{}},
		"one":             {[]string{"cause=rejected"}, map[string]string{"cause": "rejected"}},
		"two":             {[]string{"cause=rejected,destination=address"}, map[string]string{"cause": "rejected", "destination": "address"}},
		"two flags":       {[]string{"cause=rejected", "state=parked"}, map[string]string{"cause": "rejected", "state": "parked"}},
		"empty":           {[]string{""}, nil},
		"comma":           {[]string{","}, nil},
		"comma at an end": {[]string{"cause=rejected,"}, nil},
		"no value":        {[]string{"cause="}, nil},
		"no name":         {[]string{"=x"}, nil},
		"unknown":         {[]string{"cuase=rejected"}, nil},
		"twice":           {[]string{"cause=down", "cause=rejected"}, nil},
		"all and one":     {[]string{"all,cause=rejected"}, nil},
		"one and all":     {[]string{"cause=rejected", "all"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&where{pairs: c.pairs}).terms()
			if (err != nil) != (c.want == nil) || err == nil && !cmp.Equal(got, c.want) {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
}
