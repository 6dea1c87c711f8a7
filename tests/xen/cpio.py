"""Archives in cpio's newc form, which an initramfs is made of; several may follow each other."""

DIR, FILE, LINK = 0o040755, 0o100644, 0o120777


class Archive:
    def __init__(self):
        self.parts, self.count = [], 0

    def add(self, path, mode, data=b""):
        self.count += 1
        name = path.encode() + b"\0"
        head = b"070701" + b"%08X" * 13 % (
            self.count, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0) + name
        self.parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]

    def folder(self, path):
        self.add(path, DIR)

    def file(self, path, data, executable=False):
        self.add(path, FILE | 0o111 if executable else FILE, data)

    def link(self, path, target):
        self.add(path, LINK, target.encode())

    def finish(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)
