//! Directories and the names in them, of which a crash may take away any that were not
//! synced, and with a directory's name all that is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::content::Content;
use super::crash::{Choice, Survival};

/// A file or directory, whatever its name is, or whether it has one.
pub(super) type NodeId = usize;

const ROOT: NodeId = 0;

pub(super) struct Tree {
    nodes: Vec<Node>,
}

pub(super) enum Node {
    File(Content),
    Directory(Directory),
}

#[derive(Default)]
pub(super) struct Directory {
    /// As the running system sees them.
    names: BTreeMap<String, NodeId>,
    /// As a crash leaves them at least.
    durable: BTreeMap<String, NodeId>,
    /// Since the last sync, in order.
    pending: Vec<NameChange>,
}

#[derive(Clone)]
enum NameChange {
    /// Whoever had the name has it no more; whatever name the node had here, neither.
    Link {
        name: String,
        node: NodeId,
    },
    Unlink {
        name: String,
    },
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, NodeId>) {
        match self {
            Self::Link { name, node } => {
                names.retain(|_, named| named != node);
                names.insert(name.clone(), *node);
            }
            Self::Unlink { name } => {
                names.remove(name);
            }
        }
    }
}

impl Directory {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.pending.clear();
        self.durable = self.names.clone();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::Directory(Directory::default())],
        }
    }
}

impl Tree {
    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut node = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let Node::Directory(directory) = &self.nodes[node] else {
                    return Err(io::ErrorKind::NotADirectory.into());
                };
                let name = name.to_string_lossy();
                node = *directory.names.get(&*name).ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(node)
    }

    pub(super) fn node(&mut self, node: NodeId) -> &mut Node {
        &mut self.nodes[node]
    }

    /// The bytes of an open file.
    pub(super) fn file(&mut self, node: NodeId) -> &mut Content {
        match &mut self.nodes[node] {
            Node::File(content) => content,
            Node::Directory(_) => unreachable!("directories are not opened"),
        }
    }

    pub(super) fn content(&mut self, path: &Path) -> &mut Content {
        let node = self.find(path).expect("there is such a file");
        self.file(node)
    }

    pub(super) fn directory(&mut self, path: &Path) -> io::Result<&mut Directory> {
        let node = self.find(path)?;
        match &mut self.nodes[node] {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn add_file(&mut self, bytes: Vec<u8>) -> NodeId {
        self.nodes.push(Node::File(Content::new(bytes)));
        self.nodes.len() - 1
    }

    pub(super) fn add_directory(&mut self) -> NodeId {
        self.nodes.push(Node::Directory(Directory::default()));
        self.nodes.len() - 1
    }

    /// Gives a node this name, and takes any other that it has in the same directory.
    pub(super) fn link(&mut self, path: &Path, node: NodeId) -> io::Result<()> {
        let (directory, name) = self.split(path)?;
        directory.change(NameChange::Link { name, node });
        Ok(())
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<NodeId> {
        let node = self.find(path)?;
        let (directory, name) = self.split(path)?;
        directory.change(NameChange::Unlink { name });
        Ok(node)
    }

    fn split(&mut self, path: &Path) -> io::Result<(&mut Directory, String)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        Ok((self.directory(parent)?, name.to_string_lossy().into_owned()))
    }

    /// Makes all names durable.
    pub(super) fn settle_names(&mut self) {
        for node in &mut self.nodes {
            if let Node::Directory(directory) = node {
                directory.sync();
            }
        }
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        self.walk(ROOT, Path::new("/"), &mut |path, _| {
            found.push(path.to_owned());
        });
        found.sort();
        found
    }

    /// The sum of all files' lengths.
    pub(super) fn bytes(&self) -> u64 {
        let mut bytes = 0;
        self.walk(ROOT, Path::new("/"), &mut |_, content| {
            bytes += content.cached.len() as u64;
        });
        bytes
    }

    fn walk(&self, node: NodeId, path: &Path, visit: &mut dyn FnMut(&Path, &Content)) {
        match &self.nodes[node] {
            Node::File(content) => visit(path, content),
            Node::Directory(directory) => {
                for (name, &node) in &directory.names {
                    self.walk(node, &path.join(name), visit);
                }
            }
        }
    }

    /// How many changes a crash may take away one by one.
    pub(super) fn unsynced(&self) -> usize {
        self.within_reach()
            .into_iter()
            .map(|node| match &self.nodes[node] {
                Node::File(content) => content.unsynced(),
                Node::Directory(directory) => directory.pending.len(),
            })
            .sum()
    }

    pub(super) fn after_crash(&self, survival: Survival) -> Self {
        let mut choice = Choice::new(survival);
        let within_reach = self.within_reach();
        let nodes = self.nodes.iter().enumerate().map(|(id, node)| match node {
            // Nobody will ever find it again.
            _ if !within_reach.contains(&id) => Node::File(Content::default()),
            Node::File(content) => Node::File(content.after_crash(&mut choice)),
            Node::Directory(directory) => {
                let mut names = directory.durable.clone();
                for change in choice.some_of(&directory.pending) {
                    change.apply(&mut names);
                }
                Node::Directory(Directory {
                    durable: names.clone(),
                    names,
                    pending: Vec::new(),
                })
            }
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// What has a name, or may have one after a crash.
    fn within_reach(&self) -> BTreeSet<NodeId> {
        let mut found = BTreeSet::new();
        let mut next = vec![ROOT];
        while let Some(node) = next.pop() {
            if !found.insert(node) {
                continue;
            }
            if let Node::Directory(directory) = &self.nodes[node] {
                next.extend(directory.names.values());
                next.extend(directory.durable.values());
                next.extend(directory.pending.iter().filter_map(|change| match change {
                    NameChange::Link { node, .. } => Some(node),
                    NameChange::Unlink { .. } => None,
                }));
            }
        }
        found
    }
}
