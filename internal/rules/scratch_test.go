package rules

import (
	"fmt"
	"testing"
)

func TestScratch(t *testing.T) {
	s, err := Load("../../rules/cabinetry.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range s.Test(t.Context()) {
		n++
		if r.Problem != "" {
			fmt.Println(r.RuleID, r.Example, r.Place, r.Problem)
		}
	}
	fmt.Println(n, s.Includes())
}
