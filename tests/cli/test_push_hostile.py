"""What a hostile endpoint answers in EC2's place."""

import unittest.mock

import ec2
import scenario
from ec2 import TO, double


class Hostile(ec2.Ec2):
    def test_a_hostile_answer(self):
        for inner, word in (("<a>" * 5000, "nested too deep"), ("<a/>" * 300000, "too many elements"),
                            ("<a", "cannot be read"), ("<a>&x;</a>", "cannot be read")):
            with unittest.mock.patch.object(double.Ec2, "answer", lambda *_, text=inner: text):
                self.assertIn(word, self.fails("ami", "list", "ec2://eu-central-1"))
        bomb = ('<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
                "<a>&b;&c;</a>").encode()
        with unittest.mock.patch.object(double.Request, "perform",
                                        lambda _: (200, bomb, {"Content-Type": "text/xml"})):
            self.assertIn("declares a document type", self.fails("ami", "list", "ec2://eu-central-1"))
        for text, word in ((b"[" * 100000, "StartSnapshot"), (b'{"SnapshotId": 5}', "no snapshot's id"),
                           (b'{"SnapshotId": "snap-../../x"}', "no snapshot's id"), (b"", "StartSnapshot")):
            with unittest.mock.patch.object(double.Ebs, "start", lambda *_, answer=text: (201, answer)):
                self.assertIn(word, self.fails("push", "out/hello.ami", TO))


if __name__ == "__main__":
    scenario.main()
