package rules

import (
	"fmt"
	"testing"
)

func TestScratch(t *testing.T) {
	for _, f := range []string{"cabinetry", "default"} {
		s, err := Load("../../rules/" + f + ".yaml")
		if err != nil {
			t.Error(err)
			continue
		}
		n := 0
		for _, r := range s.Test(t.Context()) {
			n++
			if r.Problem != "" {
				fmt.Println(r.RuleID, r.Example, r.Place, r.Problem)
			}
		}
		fmt.Println(n, len(s.Rules()), s.Includes())
	}
}
