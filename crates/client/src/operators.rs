//! Corrections and flags (service key).

use http::Method;
use huntcore_model::{Flag, HuntId};
use huntcore_wire::{
    CorrectionAnswer, CorrectionRequest, FlagList, FlagQuery, FlagRequest, FlagView,
};

use crate::http::{Asker, Body};
use crate::{Client, ClientError};

impl Client {
    /// Voids a claim, disqualifies a player or reinstates one (service key).
    pub async fn correct(
        &self,
        hunt: &HuntId,
        request: &CorrectionRequest,
    ) -> Result<CorrectionAnswer, ClientError> {
        let url = self.url(&["v1", "hunts", hunt.as_str(), "corrections"])?;
        let body = Some(Body::json(request)?);
        let answer = self.send(Method::POST, url, Asker::Service, body).await?;
        answer.json()
    }

    /// How all flags are set (service key).
    pub async fn flags(&self) -> Result<FlagList, ClientError> {
        let url = self.url(&["v1", "flags"])?;
        let answer = self.send(Method::GET, url, Asker::Service, None).await?;
        answer.json()
    }

    /// Sets a flag (service key).
    pub async fn set_flag(
        &self,
        flag: Flag,
        request: &FlagRequest,
    ) -> Result<FlagView, ClientError> {
        let url = self.url(&["v1", "flags", flag.name()])?;
        let body = Some(Body::json(request)?);
        let answer = self.send(Method::PUT, url, Asker::Service, body).await?;
        answer.json()
    }

    /// Takes a flag's setting back (service key).
    pub async fn unset_flag(&self, flag: Flag, query: &FlagQuery) -> Result<FlagList, ClientError> {
        let mut url = self.url(&["v1", "flags", flag.name()])?;
        {
            let mut pairs = url.query_pairs_mut();
            if let Some(hunt) = &query.hunt {
                pairs.append_pair("hunt", hunt.as_str());
            }
            if let Some(board) = &query.board {
                pairs.append_pair("board", board.as_str());
            }
            pairs.append_pair("reason", &query.reason);
        }
        let answer = self.send(Method::DELETE, url, Asker::Service, None).await?;
        answer.json()
    }
}
